"""Where on a machine Tandem works, and with which rights."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).parent / "files"
PROJECT = Path(__file__).parents[2]
BASE = "/var/lib/tandem"
"""Scripts on machines are told it; stacks/files/logs.sh, which must start at once, knows it by itself."""


@dataclass(frozen=True)
class Installation:
    """The default is a machine of the deployment's own, with root and systemd.

    Attributes:
        base: folder below which every deployment has a folder of its own; `~` is the login's own.
        root: steps run as root, long ones as units of systemd. Else they run as the login, in sessions of their own.
        acquire: script that tests whether steps can run on the machine, and makes the deployment's folder.
        cleanup: script that removes what the deployment left on the machine.
    """

    base: str = BASE
    root: bool = True
    acquire: Path = FILES / "acquire.sh"
    cleanup: Path = FILES / "cleanup.sh"

    def script_files(self) -> dict[str, list[str]]:
        """Files of both scripts, by `from_project`: each comes after what all of its kind share."""
        return {
            f"{name}.sh": [from_project(FILES / f"{name}_common.sh"), from_project(script)]
            for name, script in (("acquire", self.acquire), ("cleanup", self.cleanup))
        }


@functools.cache
def content(file: Path) -> bytes:
    """A file of the project, read once for however many machines."""
    return file.read_bytes()


def from_project(file: Path) -> str:
    """A file as `agent.py` takes it, which runs in the project: of the project's own the state names no folder of one
    user's; others are named whole.

    A path and a digest stand for a file wherever the engine passes it: each input passes a dozen times between engine
    and plugins, and through the engine's log (docs/decisions/0017).
    """
    inside = file.is_relative_to(PROJECT)
    return (file.relative_to(PROJECT) if inside else file.absolute()).as_posix()
