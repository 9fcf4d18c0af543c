"""Where on a machine Tandem works, and with which rights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).parent / "files"
BASE = "/var/lib/tandem"
"""What scripts on machines know as the default, too (files/receive.sh)."""


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

    def scripts(self) -> dict[str, str]:
        """Both scripts as they are sent to the machine, each after what all of its kind share."""
        return {
            f"{name}.sh": (FILES / f"{name}_common.sh").read_text() + script.read_text()
            for name, script in (("acquire", self.acquire), ("cleanup", self.cleanup))
        }
