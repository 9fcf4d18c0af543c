"""Where everything of a site lies, and what its things are called on the host."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

FILES = Path(__file__).with_name("files")
"""Scripts, units and lists of packages that machines are made with."""


@dataclass(frozen=True)
class MachinePaths:
    """Folder of one machine, and its names in namespaces that all sites of this host share."""

    site: Path
    name: str

    @property
    def folder(self) -> Path:
        """Everything of this machine, its disk too."""
        return self.site / "machines" / self.name

    @property
    def record(self) -> Path:
        """What it was created with."""
        return self.folder / "machine.json"

    @property
    def supervisor(self) -> Path:
        """The process that holds its power."""
        return self.folder / "supervisor.json"

    @property
    def boots(self) -> Path:
        """How often it booted since its power was switched on."""
        return self.folder / "boots.json"

    @property
    def console(self) -> Path:
        """What it wrote on its console, and its supervisor's own words."""
        return self.folder / "console.log"

    @property
    def upper(self) -> Path:
        """Its own layer over the base image."""
        return self.folder / "disk" / "upper"

    @property
    def root(self) -> Path:
        """Mount point of its whole disk, mounted for its supervisor alone."""
        return self.folder / "root"

    @property
    def lock(self) -> Path:
        """Held by whoever changes it; not in its folder, which may go."""
        return self.site / "locks" / f"{self.name}.lock"

    @property
    def id(self) -> str:
        """A name that no machine of another site has."""
        return f"tm{hashlib.sha256(str(self.folder).encode()).hexdigest()[:10]}"

    @property
    def interface(self) -> str:
        """The host's end of its cable."""
        return self.id  # 12 of the 15 characters an interface may have

    @property
    def netns(self) -> str:
        """Its network namespace, as in `ip netns`."""
        return f"{self.id}-{self.name}"


# Folders of the machine that must be on a real file system: Docker's overlay does not lie on another overlay.
REAL_FOLDERS = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
