"""What makes a program of a thousand resources cheap to run."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Mapping

import pulumi
from pulumi.runtime import resource_cycle_breaker


def spare_large_graphs() -> None:
    """Switches off what grows with the graph and serves nobody. docs/decisions/0017 has the figures.

    Everything declared is needed until the program ends, so the collector of cycles reads all of it again and again
    and frees next to nothing. And the SDK tells the engine of its own doings some five times a resource, each time
    waiting for an answer; TANDEM_SDK_DEBUG=1 brings them back for `pulumi up --debug`. And at each dependency it
    walks all that stands behind it, looking for a cycle.
    """
    gc.disable()
    resource_cycle_breaker._reachable = search_for_cycles()  # type: ignore[assignment] # a callable for a def
    if not os.environ.get("TANDEM_SDK_DEBUG"):
        pulumi.log.debug = lambda *_, **__: None


def search_for_cycles() -> Callable[[pulumi.Resource, pulumi.Resource], bool]:
    """Answers as the SDK's own search does, mostly without a walk.

    The SDK asks before it notes that `to_resource` depends on `from_resource`: does the other way around hold already?
    It can't for a resource that no other depends on yet, as each is when it declares what it needs.
    """
    needed: set[pulumi.Resource] = set()

    def reachable(from_resource: pulumi.Resource, to_resource: pulumi.Resource) -> bool:
        needed.add(from_resource)
        if to_resource not in needed:
            return False
        seen, left = {from_resource}, [from_resource]
        while left:
            at = left.pop()
            if at is to_resource:
                return True
            new = resource_cycle_breaker._deps(at) - seen
            seen |= new
            left.extend(new)
        return False

    return reachable


async def settled(outputs: Mapping[str, pulumi.Output[object]]) -> None:
    """Waits until the last output is known, or will never be.

    Whenever one output becomes known the SDK's own wait looks at all that aren't. Waiting first leaves it nothing to
    look at; what went wrong it finds by itself, and tells.
    """
    with contextlib.suppress(Exception):
        await pulumi.Output.all(*outputs.values()).future()
