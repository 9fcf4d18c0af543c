"""Weights as a machine sees them: which files, by names and sizes, and how fast they are read. Writes nothing.

Runs on the machine beside machine_state.py (Python 3.8 and newer, nothing else).
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import weights_listing

MANIFEST = ".tandem-weights.json"
"""What fetch.py writes when all is verified (components/weights/files/folder.py)."""
MOST_BYTES, MOST_SECONDS = 256 << 20, 8.0
PIECE = 8 << 20


def look(folder: str) -> dict[str, Any]:
    """What differs from the list that was verified; without one, only how much is there.

    Returns:
        `files` (how many), `bytes`, `manifest` (whether there is one), `wrong` (the first difference, in words).
    """
    if not os.path.isdir(folder):  # noqa: PTH112
        return {"files": 0, "bytes": 0, "manifest": False, "wrong": "is not there"}
    here = weights_listing.files_in(folder)
    found = {"files": len(here), "bytes": sum(here.values()), "manifest": False, "wrong": ""}
    try:
        listed = json.loads((Path(folder) / MANIFEST).read_text())["files"]
    except (OSError, ValueError, KeyError):
        return found
    found["manifest"] = True
    for each in listed:
        size = here.get(each["path"])
        if size != each["size"]:
            found["wrong"] = (
                f"lacks {each['path']}"
                if size is None
                else f"has {each['path']} of {size} bytes instead of {each['size']}"
            )
            break
    return found


def speed(folders: list[str]) -> dict[str, Any]:
    """Reads a part of the largest file that lies there, past this machine's own cache.

    Returns:
        `file`, `bytes` and `seconds`; nothing where there is no file.
    """
    files = {
        str(Path(folder) / path): size for folder in folders for path, size in weights_listing.files_in(folder).items()
    }
    if not files:
        return {}
    path = max(files, key=lambda each: files[each])
    first = random.randrange(max(1, files[path] - MOST_BYTES)) // PIECE * PIECE  # noqa: S311  # two doctors read two parts
    done, began = 0, time.monotonic()
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
        os.posix_fadvise(stream.fileno(), first, MOST_BYTES, os.POSIX_FADV_DONTNEED)
        stream.seek(first)
        while done < MOST_BYTES and time.monotonic() - began < MOST_SECONDS:
            piece = stream.read(PIECE)
            if not piece:
                break
            done += len(piece)
    return {"file": path, "bytes": done, "seconds": time.monotonic() - began}
