"""What can be seen wrong with weights that somebody else put there, from their headers alone."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from choose import PART, gguf_models

HEADER_LARGEST = 100_000_000
"""Bytes of a safetensors header, at most (the format's own limit)."""


def unsound(folder: Path) -> str | None:
    """What is wrong, for a sentence that names the folder; None for nothing that headers show.

    Looked at: config.json or a GGUF model is there, every shard that an index names, the parts of a split GGUF model,
    and of each safetensors file whether its size is what its header says.
    """
    paths = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    models = gguf_models([p for p in paths if "/" not in p])
    if "config.json" not in paths and not models:
        return "holds neither a config.json nor a GGUF file"
    for path in paths:
        if path.endswith(".safetensors.index.json") and (missing := _missing_shards(folder, path)):
            return f"lacks {missing}, which {path} names"
        if part := PART.search(path):
            for number in range(1, int(part[2]) + 1):
                other = f"{path[: part.start()]}-{number:05d}-of-{part[2]}.gguf"
                if other not in paths:
                    return f"lacks {other}, one of {int(part[2])} parts"
        if path.endswith(".safetensors") and (wrong := _cut(folder / path)):
            return f"holds {path}, which {wrong}"
        if path.endswith(".gguf"):
            with (folder / path).open("rb") as stream:
                if stream.read(4) != b"GGUF":
                    return f"holds {path}, which is no GGUF file"
    return None


def _missing_shards(folder: Path, index: str) -> str | None:
    try:
        shards = set(json.loads((folder / index).read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        return f"a readable {index}"
    at = (folder / index).parent
    return next((shard for shard in sorted(shards) if not (at / shard).is_file()), None)


def _cut(path: Path) -> str | None:
    """Whether a safetensors file is as long as its header says: 8 bytes of length, the header, then the tensors."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        begin = stream.read(8)
        length = struct.unpack("<Q", begin)[0] if len(begin) == 8 else HEADER_LARGEST + 1
        try:
            if length > HEADER_LARGEST:
                raise ValueError
            header = json.loads(stream.read(length))
            tensors = [told for name, told in header.items() if name != "__metadata__"]
            wanted = 8 + length + max((told["data_offsets"][1] for told in tensors), default=0)
        except (ValueError, KeyError, TypeError, AttributeError):
            return "is no safetensors file (a git-lfs pointer, or cut short)"
    return None if size == wanted else f"has {size} bytes instead of {wanted}"
