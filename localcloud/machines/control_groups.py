"""The control groups of one machine: its limits, and the way to find and end all its processes."""

import contextlib
import signal
from pathlib import Path

from localcloud.system.processes import ProcessRecord, wait_until

MOUNTS = Path("/proc/mounts")
PERIOD_US = 100_000  # the kernel's default period of CPU quotas (sched-bwc.rst)


class ControlGroups:
    """A group of that name below `tandem` in every hierarchy the host has mounted.

    Under cgroup v1 that is one hierarchy a controller; under v2 it is a single one, where controllers must be handed
    down first. Version 2 follows the kernel's cgroup-v2.rst and has not been tried on a host that has only that.
    """

    def __init__(self, name: str) -> None:
        self._roots = _hierarchies()
        self._name = name

    @property
    def folders(self) -> list[Path]:
        """The folder of this group in each hierarchy."""
        return [root / "tandem" / self._name for root in self._roots]

    def create(self, cpus: float | None, cpu_list: tuple[int, ...], memory_mib: int | None) -> None:
        """Makes the groups and sets the limits; `None` and an empty list mean no limit."""
        for root in self._roots:
            for above in (root, root / "tandem"):
                _hand_down(above)
                _inherit_cpuset(above, self._name if above != root else "tandem")
        quota = round(cpus * PERIOD_US) if cpus else None
        memory = str(memory_mib * 1024 * 1024) if memory_mib else None
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
            _set(folder / "cpu.cfs_period_us", str(PERIOD_US))
            _set(folder / "cpu.cfs_quota_us", str(quota or -1))
            _set(folder / "cpu.max", f"{quota or 'max'} {PERIOD_US}")
            _set(folder / "memory.limit_in_bytes", memory or "-1")
            _set(folder / "memory.max", memory or "max")
            _set(folder / "cpuset.cpus", ",".join(map(str, cpu_list)))
            # A machine has no business with the host's disks; making device nodes stays allowed, Docker needs it.
            _set(folder / "devices.deny", "b *:* rw")

    def join(self, pid: int) -> None:
        """Puts a process, and so all it will start, into the groups."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def processes(self) -> set[int]:
        """The ids of all processes in the groups and the groups below them."""
        found: set[int] = set()
        for folder in self.folders:
            for procs in folder.rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found.update(int(pid) for pid in procs.read_text().split())
        return found

    def kill(self) -> None:
        """Ends every process in the groups at once and waits for it."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                ProcessRecord.of("member", pid).signal(signal.SIGKILL)
        wait_until(lambda: not self.processes(), 10)

    def remove(self) -> None:
        """Takes the groups away, deepest first; they must be empty."""
        wait_until(self._removed, 10)

    def _removed(self) -> bool:
        for folder in self.folders:
            below = [entry for entry in folder.rglob("*") if entry.is_dir()] if folder.exists() else []
            for group in [*sorted(below, reverse=True), folder]:
                with contextlib.suppress(OSError):
                    group.rmdir()
            with contextlib.suppress(OSError):  # stays while another machine is in it
                folder.parent.rmdir()
        return not any(folder.exists() for folder in self.folders)


def _hierarchies() -> list[Path]:
    mounts = (line.split() for line in MOUNTS.read_text().splitlines())
    return [Path(words[1]) for words in mounts if words[2] in ("cgroup", "cgroup2")]


def _set(file: Path, value: str) -> None:
    if value and file.exists():
        file.write_text(value)


def _hand_down(group: Path) -> None:
    """cgroup v2: children get only the controllers that the parent hands down."""
    group.mkdir(exist_ok=True)
    offered = group / "cgroup.controllers"
    if offered.exists():
        wanted = {"cpu", "cpuset", "memory", "pids", "io"}.intersection(offered.read_text().split())
        if wanted:
            (group / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted)))


def _inherit_cpuset(group: Path, child: str) -> None:
    """cgroup v1: a new group may use no CPU and no memory node until both are set."""
    if not (group / "cpuset.cpus").exists() or (group / "cgroup.controllers").exists():
        return
    (group / child).mkdir(exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (group / child / name).read_text().strip():
            (group / child / name).write_text((group / name).read_text())
