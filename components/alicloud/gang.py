"""All machines of a deployment or none: half of them cost money and serve nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pulumi


class Gang:
    """Watches the creation of machines; when one is not available, those made beside it are released at once.

    The engine calls these hooks in this process. Machines of an earlier `pulumi up` are never touched.

    Args:
        name: of the gang, unique in the program.
        release: releases machines by id, and those that were made without an answer; returns when they are gone,
            with their number.
        explain: the sentence for the user from the error of the one that was not created.
    """

    def __init__(self, name: str, release: Callable[[list[str]], int], explain: Callable[[str], str]) -> None:
        self._name, self._release, self._explain = name, release, explain
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._made: list[str] = []
        self._error = ""

    def hooks(self) -> pulumi.ResourceHookBinding:
        """For every machine of the gang."""
        return pulumi.ResourceHookBinding(
            before_create=[pulumi.ResourceHook(f"{self._name}-begins", self._begins)],
            after_create=[pulumi.ResourceHook(f"{self._name}-made", self._done)],
            on_error=[pulumi.ErrorHook(f"{self._name}-failed", self._failed)],
        )

    def _begins(self, args: pulumi.ResourceHookArgs) -> None:
        with self._lock:
            if self._error:
                raise RuntimeError("not asked for: another machine of this deployment is not available")
            self._waiting.add(args.name)

    def _done(self, args: pulumi.ResourceHookArgs) -> None:
        with self._lock:
            self._waiting.discard(args.name)
            self._made.append(args.id)
        self._settle()

    def _failed(self, args: pulumi.ErrorHookArgs) -> bool:
        if args.failed_operation == "create":
            with self._lock:
                self._waiting.discard(args.name)
                self._error = self._error or args.errors[0]
            self._settle()
        return False  # another try would ask the same zone for the same machine

    def _settle(self) -> None:
        """Once nobody is on the way any more: releases what was made beside a failure."""
        with self._lock:
            if self._waiting or not self._error:
                return
            made, self._made = self._made, []
        released = self._release(made)
        pulumi.log.error(self._explain(self._error) + (f" ({released} released)" if released else ""))
