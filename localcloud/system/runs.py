"""What a run made on this host, so that it can be taken away when the run is gone, however it ended.

A run marks itself with `own()`; all processes that it starts carry the mark in their environment, and what is no
process (bridges, namespaces, mounts) is written down by `remember`. `localcloud.caretaker` takes both away.
Without a mark, as in `make up`, nothing is written down and everything stays until it is stopped.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Self

from localcloud.system.processes import ProcessRecord
from localcloud.system.records import save_json

MARK = "TANDEM_OWNER"
"""Environment variable of the run's processes: `PID:START_TICKS:BOOT_ID` of the run's first one."""

Kind = Literal["site", "backend"]


def folder() -> Path:
    """Where runs write down what they made: one folder a run."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/run") / "tandem-owned"


@dataclass(frozen=True)
class Run:
    """A run by the mark that its processes carry."""

    mark: str

    @classmethod
    def current(cls) -> Self | None:
        """The run that this process belongs to, None when it belongs to none."""
        mark = os.environ.get(MARK)
        return cls(mark) if mark else None

    @property
    def owner(self) -> ProcessRecord:
        """The run's first process: the run has ended when it has."""
        pid, ticks, boot = self.mark.split(":")
        return ProcessRecord("owner", int(pid), int(ticks), boot)

    @property
    def folder(self) -> Path:
        """Where it writes down what it made."""
        return folder() / self.mark.replace(":", "-")

    @property
    def caretaker(self) -> Path:
        """The record of the process that waits for its end."""
        return self.folder / ".caretaker"

    def processes(self) -> Iterator[ProcessRecord]:
        """Its living processes, but for this one."""
        wanted = f"{MARK}={self.mark}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (place / "environ").read_bytes().split(b"\0") and int(place.name) != os.getpid():
                    yield ProcessRecord.of("process", int(place.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue

    def things(self) -> list[tuple[Kind, dict[str, str]]]:
        """What it wrote down, backends before the sites that lie in them."""
        found = [json.loads(file.read_text()) for file in self.folder.glob("*.json")]
        return sorted(((each.pop("kind"), each) for each in found), key=lambda thing: thing[0])


def own() -> Run:
    """Makes this process the owner of all that it, and what it starts, will make from now on."""
    me = ProcessRecord.of("owner", os.getpid())
    os.environ[MARK] = f"{me.pid}:{me.start_ticks}:{me.boot_id}"
    return Run(os.environ[MARK])


def runs() -> list[Run]:
    """All runs that wrote something down, living or not."""
    return [Run(place.name.replace("-", ":", 2)) for place in folder().glob("*-*-*")]


def remember(kind: Kind, **place: str) -> None:
    """Writes down a thing that must go with the run; called before the thing is made."""
    run = Run.current()
    if run is not None:
        text = json.dumps({"kind": kind, **place}, sort_keys=True)
        run.folder.mkdir(parents=True, exist_ok=True)
        save_json(run.folder / f"{sha256(text.encode()).hexdigest()[:16]}.json", {"kind": kind, **place})
