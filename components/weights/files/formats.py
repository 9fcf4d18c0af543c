"""Repositories that hold their weights more than once: which files are another copy of what the engine reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from folder import File

SAFETENSORS, GGUF = "safetensors", "gguf"
ADAPTER = "adapter_"
"""What PEFT's files begin with: no model by themselves."""
OTHERS = (
    ("PyTorch .bin", re.compile(r"(^|/)[^/]*pytorch_model[^/]*\.bin(\.index\.json)?$")),
    ("PyTorch .pth", re.compile(r"(^|/)consolidated[^/]*\.pth$")),
    ("TensorFlow", re.compile(r"(^|/)tf_model[^/]*\.h5(\.index\.json)?$")),
    ("Flax", re.compile(r"(^|/)flax_model[^/]*\.msgpack(\.index\.json)?$")),
    ("Rust", re.compile(r"(^|/)rust_model\.ot$")),
    ("ONNX", re.compile(r"(^|/)onnx/|\.onnx(_data(_\d+)?)?$|\.onnx\.data$")),
    ("OpenVINO", re.compile(r"(^|/)openvino/|(^|/)openvino_[^/]*\.(bin|xml)$")),
    ("Core ML", re.compile(r"(^|/)coreml/|\.mlmodel$|\.mlpackage/")),
)
"""Formats by the names that their own writers give (transformers' `save_pretrained`, optimum's exporters)."""
CONSOLIDATED = re.compile(r"consolidated[^/]*\.safetensors(\.index\.json)?")
SMALLEST_COPY = 4
"""A copy in 8 bits of weights in 32 is a quarter of them; what is smaller is something else, such as an adapter."""


def copies(files: Sequence[File], prefers: str) -> dict[str, list[File]]:
    """Files that hold once more what the engine reads in its own format, by what their format is called.

    Args:
        files: the repository's.
        prefers: what the engine reads, `safetensors` or `gguf`.

    A format is another copy where the one that is preferred is there, whole by its size: safetensors before PyTorch's,
    PyTorch's before all others. `original/` holds a copy in the maker's own format (Llama), and `consolidated`
    safetensors are one (Mistral) unless `params.json`, by which engines read them, is there too.
    """
    found: dict[str, list[File]] = {}
    paths = {f.path for f in files}
    gguf = [f for f in files if f.path.endswith(".gguf")]
    main = [f for f in files if f.path.endswith(".safetensors") and _own(f.path)]
    top = [f for f in main if "/" not in f.path and not f.path.startswith("consolidated")]
    if prefers == GGUF and gguf:
        found["safetensors"] = [f for f in files if f.path.endswith((".safetensors", ".safetensors.index.json"))]
        top = gguf
    elif top and _size(gguf):
        found["GGUF"] = gguf
    elif not top and any(OTHERS[0][1].search(f.path) and "/" not in f.path for f in files):
        top = [f for f in files if OTHERS[0][1].search(f.path)]
    if not top:
        return {}
    for label, pattern in OTHERS:
        same = [f for f in files if pattern.search(f.path) and f not in top]
        if label == OTHERS[0][0] and prefers != GGUF:
            folders = {PurePosixPath(f.path).parent for f in main}
            same = [f for f in same if PurePosixPath(f.path).parent in folders]
        found[label] = same
    if any(f.path.startswith("original/") and f.path.endswith((".pth", ".safetensors")) for f in files):
        found["original/"] = [f for f in files if f.path.startswith("original/")]
    if "params.json" not in paths and prefers != GGUF and any(f in main for f in top):
        found["consolidated safetensors"] = [f for f in files if CONSOLIDATED.fullmatch(f.path)]
    inner = found.get("original/", [])
    found = {label: [f for f in held if label == "original/" or f not in inner] for label, held in found.items()}
    return {label: held for label, held in found.items() if held and SMALLEST_COPY * _size(top) >= _weight(label, held)}


def _weight(label: str, files: Sequence[File]) -> int:
    """Bytes of one copy: PyTorch's is in shards, the others come in many variants."""
    return _size(files) if label.startswith("PyTorch") else max(f.size for f in files)


def _own(path: str) -> bool:
    """Whether a model's weights have such a name: an adapter's haven't."""
    return not PurePosixPath(path).name.startswith(ADAPTER)


def _size(files: Sequence[File]) -> int:
    return sum(f.size for f in files)
