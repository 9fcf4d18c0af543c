"""What the package shares with `agent.py`, which runs as a program and can't import the package: pulumi isn't there."""

from __future__ import annotations

import sys

from components.machine.installation import FILES

if str(FILES) not in sys.path:
    sys.path.append(str(FILES))

from archive import content_hash, pack, render_environment
from openssh import known_name, proxy_command, sudo_stdin, sudo_words

__all__ = [
    "content_hash",
    "known_name",
    "pack",
    "proxy_command",
    "render_environment",
    "sudo_stdin",
    "sudo_words",
]
