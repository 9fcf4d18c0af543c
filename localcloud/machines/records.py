"""What a site remembers: one small JSON file a thing, whole or absent, on disk before the answer."""

import json
import os
import threading
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Record:
    """A thing with a file of its own."""

    name: str

    def save(self, file: Path) -> None:
        """Writes the record so that a reader, or a power cut, finds the old one or the new one and never half."""
        save_json(file, asdict(self))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Reads a record; raises FileNotFoundError when there is none."""
        found: dict[str, Any] = json.loads(file.read_text())
        known = {field.name for field in fields(cls)}
        return cls(**{key: _frozen(value) for key, value in found.items() if key in known})


@dataclass(frozen=True)
class NetworkRecord(Record):
    """One bridge on the host; the host's end has the gateway's address and forwards nothing."""

    bridge: str
    subnet: str
    gateway: str


@dataclass(frozen=True)
class ShareRecord(Record):
    """A folder that machines mount by NFS as any of `exports` (SERVER:/PATH); `clients` are CIDRs, none means all."""

    exports: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()


@dataclass(frozen=True)
class MachineRecord(Record):
    """What a machine was created with, and what an operator set since."""

    address: str
    network: str
    image: str  # folder of the base image
    host_key: str  # public ed25519 key, as in a known_hosts file without the name
    cpus: float | None = None
    memory_mib: int | None = None
    cpu_list: tuple[int, ...] = ()  # CPUs of the host it may use; none means all
    binds_ro: tuple[str, ...] = ()  # HOST:INSIDE
    cut: bool = False


def save_json(file: Path, value: object) -> None:
    """Replaces a JSON file atomically and durably."""
    draft = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    with draft.open("w") as handle:
        json.dump(value, handle, indent=1, sort_keys=True)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any JSON value passes through
    return tuple(value) if isinstance(value, list) else value
