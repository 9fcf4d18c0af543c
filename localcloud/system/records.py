"""What a process remembers: one small JSON file a thing, whole or absent, on disk before the answer."""

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
