"""What Pulumi itself says of a stack, for programs that run outside its engine."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import Any

from stacks import project


class PulumiError(Exception):
    """Pulumi gave no answer; its own last words."""


def ask_pulumi(*words: str, seconds: float | None = None) -> Any:  # noqa: ANN401  # JSON is any
    """The JSON that a `pulumi` command prints.

    Args:
        words: the command's own.
        seconds: after which it is ended; None for never.

    Raises:
        PulumiError: it failed, or printed none.
        subprocess.TimeoutExpired: it took longer.
    """
    done = subprocess.run(
        ["pulumi", "--non-interactive", *words],
        cwd=project.ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    found: Any = None
    with contextlib.suppress(ValueError):
        found = json.loads(done.stdout or "{}")
    if done.returncode or found is None:
        # A preview tells its mistakes in its JSON.
        diagnostics = (found.get("diagnostics") or []) if isinstance(found, dict) else []
        why = [*done.stderr.strip().splitlines(), *(each.get("message", "") for each in diagnostics)] or ["no answer"]
        raise PulumiError(why[-1].removeprefix("error: ").strip())
    return found
