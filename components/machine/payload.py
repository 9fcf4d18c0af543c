"""What travels to a machine by standard input, and what comes back. Pure."""

from __future__ import annotations

import shlex

from components.machine.installation import FILES
from components.machine.standalone import content_hash, pack, render_environment

__all__ = ["FILES", "content_hash", "pack", "parse_result", "render_environment"]


def parse_result(stdout: str) -> dict[str, str]:
    """The `key=value` words of a step's last line."""
    lines = stdout.strip().splitlines()
    words = shlex.split(lines[-1]) if lines else []
    return dict(word.split("=", 1) for word in words if "=" in word)
