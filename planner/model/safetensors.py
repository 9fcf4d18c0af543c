"""Exact sizes of weights, from a folder's safetensors files or their index; nothing of the tensors is read."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_HEADER = 2**27
"""Bytes: the format's own limit is 100 MB."""


def folder_bytes(folder: Path) -> int | None:
    """Bytes of the weights in a folder: by the index, else by the files' headers; None when neither is there."""
    index = folder / "model.safetensors.index.json"
    try:
        size = json.loads(index.read_text(encoding="utf-8"))["metadata"]["total_size"]
        if isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < 2**50:
            return int(size)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    sizes = [_tensor_bytes(file) for file in sorted(folder.glob("*.safetensors"))]
    return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None


def _tensor_bytes(file: Path) -> int | None:
    """Bytes of a file's tensors by its header (8 bytes of length, then JSON); None when it is cut or no such file."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > LARGEST_HEADER:
                return None
            header = json.loads(stream.read(length))
        offsets = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
        return sum(int(end) - int(start) for start, end in offsets)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None
