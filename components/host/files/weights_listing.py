"""What lies in a folder of weights, and whether another machine has the same: names and sizes, not bytes.

weights_listing.py list FOLDER             one word: what lies there
weights_listing.py compare FOLDER WORD     exit code 1 and what differs, for a sentence
"""

from __future__ import annotations

import base64
import json
import os
import sys
import zlib
from pathlib import Path


def files_in(folder: str) -> dict[str, int]:
    """Size by path, but for what is hidden: hubs and file managers keep notes of their own there."""
    found = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(place) / name
            if not name.startswith(".") and path.is_file():
                found[str(path.relative_to(folder))] = path.stat().st_size
    return found


def pack(files: dict[str, int]) -> str:
    """As one word, small: a model of 700 GB has some 200 files."""
    return base64.b64encode(zlib.compress(json.dumps(files, sort_keys=True).encode(), 9)).decode()


def unpack(word: str) -> dict[str, int]:
    """What `pack` was given."""
    return {str(path): int(size) for path, size in json.loads(zlib.decompress(base64.b64decode(word))).items()}


def difference(here: dict[str, int], there: dict[str, int]) -> str:
    """The first one, in words that follow the folder's name; empty for none."""
    for path, size in sorted(there.items()):
        if path not in here:
            return f"lacks {path}"
        if here[path] != size:
            return f"holds {path} of {here[path]} bytes, and the first machine's has {size}"
    extra = sorted(set(here) - set(there))
    return f"holds {extra[0]}, which the first machine has not" if extra else ""


def main() -> int:
    """Runs one call."""
    if sys.argv[1] == "list":
        print(pack(files_in(sys.argv[2])))
        return 0
    said = difference(files_in(sys.argv[2]), unpack(sys.argv[3]))
    print(said)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
