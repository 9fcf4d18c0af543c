"""What can be seen wrong with weights before an engine loads them: by the list, by what is small, by headers."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Collection, Sequence
from pathlib import Path

from folder import File
from select_files import PART, gguf_models

HEADER_LARGEST = 100_000_000
"""Bytes of a safetensors header, at most (the format's own limit)."""
WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth")
SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.(safetensors|bin)$")
"""How transformers numbers the files of a model."""
CONFIGS = ("config.json", "params.json", "model_index.json")
"""By which an engine knows a model: transformers', Mistral's, diffusers'."""
POINTER = b"version https://git-lfs"
POINTER_LARGEST = 1024
INDEX = ".safetensors.index.json"
OTHER = "use another revision or repository (model.revision, model.id)"


def first(file: File) -> bool:
    """Whether a file is fetched before the large ones: what shows whether these are worth it."""
    weights = file.path.endswith(WEIGHTS)
    return file.size <= (4 * POINTER_LARGEST if weights else 64 << 20)


def check_listing(files: Sequence[File], chosen: Sequence[File], *, alone: bool) -> str | None:
    """What a hub's list shows of a choice of files, as the end of `MODEL ...`; None for nothing.

    Args:
        files: all of the repository.
        chosen: those that are wanted.
        alone: it is a model by itself, and not what belongs to one.
    """
    there, wanted = {f.path for f in files}, {f.path for f in chosen}
    if alone and not wanted & set(CONFIGS) and not gguf_models(sorted(wanted)):
        return _no_model(there)
    for file in chosen:
        if file.path.endswith(WEIGHTS) and file.size == 0:
            return f"has {file.path} with no bytes in it; {OTHER}"
    # An index says by itself what belongs to the model.
    return None if any(path.endswith(".index.json") for path in wanted) else _too_few_shards(there, wanted)


def _no_model(there: Collection[str]) -> str:
    if left := sorted(set(there) & set(CONFIGS)):
        return f"is useless without {left[0]}, which model.files leaves out; add it there"
    if "adapter_config.json" in there:
        return "is an adapter and no model; set model.id to the model it is for, and name this one in model.more"
    return "holds neither a config.json nor a GGUF file, so no engine can serve it; correct model.id"


def _too_few_shards(there: Collection[str], wanted: Collection[str]) -> str | None:
    for path in sorted(wanted):
        if (shard := SHARD.search(path)) is None:
            continue
        alike = re.compile(rf"{re.escape(path[: shard.start()])}-\d{{5}}-of-{shard[2]}\.{shard[3]}")
        total, (have, known) = int(shard[2]), (sum(1 for p in some if alike.fullmatch(p)) for some in (wanted, there))
        if have < total <= known:
            return f"is chosen in part by model.files: {have} of {total} files like {path}; take all"
        if have < total:
            return f"has {known} of {total} files like {path}; {OTHER}"
    return None


def check_beginnings(folder: Path, files: Sequence[File], chosen: Sequence[File]) -> str | None:
    """What the small files of a choice show, once they are there, before the large ones come; as `check_listing`."""
    there, wanted = {f.path for f in files}, {f.path for f in chosen}
    for file in chosen:
        if file.size <= POINTER_LARGEST and file.path.endswith(WEIGHTS):
            with (folder / file.path).open("rb") as stream:
                if stream.read(len(POINTER)) == POINTER:
                    return f"has a git-lfs pointer in place of {file.path}; {OTHER}"
    for path in sorted(wanted):
        if path.endswith(INDEX) and (missing := _missing_shards(folder, path, wanted)):
            if missing in there:
                return f"is useless without {missing}, which {path} names and model.files leaves out; add it there"
            return f"lacks {missing}, which {path} names; {OTHER}"
    return None


def check_files(folder: Path, chosen: Collection[str] | None = None, *, alone: bool = True) -> str | None:
    """What is wrong with files that lie there, for a sentence that names the folder; None for nothing headers show.

    Looked at: config.json or a GGUF model is there, every shard that an index names, the parts of a split GGUF model,
    and of each safetensors file whether its size is what its header says.

    Args:
        folder: where they are.
        chosen: paths of what belongs to it, whatever else lies there; None for all that does.
        alone: without `chosen`, it is a model by itself, and not what belongs to one.
    """
    paths = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    if chosen is None:
        models = gguf_models([p for p in paths if "/" not in p])
        if alone and not set(CONFIGS) & set(paths) and not models:
            return "holds neither a config.json nor a GGUF file"
    else:
        paths = [p for p in paths if p in chosen]
    for path in paths:
        if path.endswith(INDEX) and (missing := _missing_shards(folder, path, paths)):
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


def _missing_shards(folder: Path, index: str, paths: Collection[str]) -> str | None:
    try:
        shards = set(json.loads((folder / index).read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError, TypeError):
        return f"a readable {index}"
    above = index.rpartition("/")[0]
    names = (f"{above}/{shard}" if above else str(shard) for shard in sorted(map(str, shards)))
    return next((name for name in names if name not in paths), None)


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
            tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
            wanted = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return "is no safetensors file (a git-lfs pointer, or cut short)"
    return None if size == wanted else f"has {size} bytes instead of {wanted}"
