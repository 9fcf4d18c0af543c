"""llama.cpp's and Ollama's own words about what lies where, as `llama-server --help` and a Modelfile have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from planner.engine import Engine
from planner.model.shapes import Model
from planner.refusal import Change, Refusal, Unplanned

ALL = 10**6
"""Layers: more than any model has."""

CACHE_BYTES = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
"""Bytes of a cache element by its type: a block of 32 and its scales (ggml-common.h)."""

FLAGS = {
    "-ngl": "gpu_layers",
    "--gpu-layers": "gpu_layers",
    "--n-gpu-layers": "gpu_layers",
    "-cmoe": "cpu_moe",
    "--cpu-moe": "cpu_moe",
    "-ncmoe": "n_cpu_moe",
    "--n-cpu-moe": "n_cpu_moe",
    "-ot": "override_tensor",
    "--override-tensor": "override_tensor",
    "-ts": "tensor_split",
    "--tensor-split": "tensor_split",
    "-nkvo": "no_kv_offload",
    "--no-kv-offload": "no_kv_offload",
    "-kvo": "kv_offload",
    "--kv-offload": "kv_offload",
    "-ctk": "cache_type_k",
    "--cache-type-k": "cache_type_k",
    "-ctv": "cache_type_v",
    "--cache-type-v": "cache_type_v",
    "-sm": "split_mode",
    "--split-mode": "split_mode",
    "-dev": "device",
    "--device": "device",
    "-c": "max_model_len",
    "--ctx-size": "max_model_len",
}
"""What decides where a model lies (llama.cpp b11434, common/arg.cpp)."""

ADDS = {
    "-md": "a draft model",
    "--model-draft": "a draft model",
    "-mm": "a projector",
    "--mmproj": "a projector",
    "--lora": "an adapter",
    "--control-vector": "a control vector",
    "-hfd": "a draft model",
}
"""Flags that bring more into memory, which isn't counted."""

ALONE = ("cpu_moe", "no_kv_offload", "kv_offload")
EXPERTS = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
"""What --cpu-moe leaves on the host (common/common.h, LLM_FFN_EXPS_REGEX)."""


class Offload(NamedTuple):
    """Where a user wants a model's parts.

    Attributes:
        gpu_layers: the last layers, the head counted as one, that lie on accelerators; None: as many as fit.
        host: whether a tensor of this name stays in the machine's own memory all the same.
        shares: of each device, in the order they compute; empty: by memory.
        cache_on_host: the KV cache of every layer is in the machine's memory.
        cache_bytes: bytes of a key's and of a value's element.
        context: tokens; None where it isn't said.
        extras: what more is brought into memory and not counted.
        engine: for remedies in the engine's own words.
    """

    gpu_layers: int | None = ALL
    host: Callable[[str], bool] = lambda name: False
    shares: tuple[float, ...] = ()
    cache_on_host: bool = False
    cache_bytes: tuple[float, float] = (2.0, 2.0)
    context: int | None = None
    extras: tuple[str, ...] = ()
    engine: Engine = Engine.LLAMACPP

    def with_layers(self, count: int) -> Offload:
        """The same with another number of layers on accelerators."""
        return self._replace(gpu_layers=count)

    def change(self, layers: int) -> Change:
        """The remedy that says so."""
        return Change("num_gpu" if self.engine is Engine.OLLAMA else "gpu_layers", layers)


def llamacpp_flags(words: Sequence[str]) -> dict[str, str]:
    """What of llama-server's words decides where the model lies, by name; patterns of several flags are joined by `,`.

    `extras` holds what more is brought into memory.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(words):
        flag, separator, value = words[position].partition("=")
        position += 1
        if flag in ADDS:
            found["extras"] = ", ".join(dict.fromkeys([*found.get("extras", "").split(", "), ADDS[flag]])).lstrip(", ")
        name = FLAGS.get(flag)
        if name is None:
            continue
        if name in ALONE:
            found[name] = "true"
            continue
        if not separator:
            value = words[position] if position < len(words) else ""
            position += 1
        found[name] = f"{found[name]},{value}" if name == "override_tensor" and name in found else value
    found.pop("kv_offload", None)
    return found


def ollama_parameters(words: Sequence[str]) -> dict[str, str]:
    """The same of Ollama's `name=value` words."""
    given = dict(word.partition("=")[::2] for word in words)
    names = {"num_gpu": "num_gpu", "num_ctx": "max_model_len"}
    return {name: given[word] for word, name in names.items() if word in given}


def read_offload(engine: Engine, arguments: dict[str, str], model: Model) -> Offload:
    """What the words mean for a model.

    Raises:
        Refusal: `bad_argument`.
        Unplanned: they ask for what can't be counted.
    """
    mode = arguments.get("split_mode", "layer")
    if mode not in ("layer", ""):
        raise Unplanned("split_mode", f"{mode[:20]} cuts tensors or leaves devices out", "split mode layer is counted")
    if arguments.get("device", "none") not in ("", "none"):
        raise Unplanned("device", "chooses among devices", "leave it out and name accelerator.devices instead")
    types = tuple(arguments.get(f"cache_type_{which}", "f16").lower() for which in ("k", "v"))
    for which, kind in zip(("k", "v"), types, strict=True):
        if kind not in CACHE_BYTES:
            raise Refusal(
                "bad_argument", f"cache_type_{which}", f"is {kind[:20]!r}", f"one of {', '.join(CACHE_BYTES)}"
            )
    context = arguments.get("max_model_len", "")
    extras = tuple(text for text in arguments.get("extras", "").split(", ") if text)
    return Offload(
        gpu_layers=0 if arguments.get("device") == "none" else _layers(engine, arguments),
        host=_host(arguments, model),
        shares=_shares(arguments.get("tensor_split", "")),
        cache_on_host="no_kv_offload" in arguments,
        cache_bytes=(CACHE_BYTES[types[0]], CACHE_BYTES[types[1]]),
        context=int(context) if context.isascii() and context.isdigit() and int(context[:9]) > 0 else None,
        extras=extras,
        engine=engine,
    )


def _layers(engine: Engine, arguments: dict[str, str]) -> int | None:
    """Ollama finds out by itself how many fit; llama.cpp does so with `auto`, and `all` is its default."""
    name = "num_gpu" if engine is Engine.OLLAMA else "gpu_layers"
    text = arguments.get(name, "").strip()
    if text in ("auto", "-1"):
        return None
    if text in ("all", "-2"):
        return ALL
    if not text:
        return None if engine is Engine.OLLAMA else ALL
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), ALL)
    raise Refusal("bad_argument", name, f"is {text[:20]!r}", "give a number of layers, or leave it out")


def _shares(text: str) -> tuple[float, ...]:
    if not text:
        return ()
    parts = re.split(r"[,/]+", text)
    if not all(re.fullmatch(r"\d{1,9}(\.\d{1,9})?", part) for part in parts):
        raise Refusal("bad_argument", "tensor_split", f"is {text[:40]!r}", "give shares such as 3,1")
    return tuple(float(part) for part in parts)


def _host(arguments: dict[str, str], model: Model) -> Callable[[str], bool]:
    """Which tensors stay on the host: the first pattern that is found in a name decides, in the order of the words."""
    rules: list[tuple[re.Pattern[str], bool]] = []
    for text in filter(None, arguments.get("override_tensor", "").split(",")):
        pattern, separator, place = text.rpartition("=")
        if not separator or not place:
            raise Refusal("bad_argument", "override_tensor", f"{text[:40]!r} is no PATTERN=PLACE", "such as exps=CPU")
        try:
            rules.append((re.compile(pattern), _on_host(place)))
        except re.error:
            raise Unplanned("override_tensor", f"{pattern[:40]!r} can't be read here", "a simpler pattern is") from None
    if "cpu_moe" in arguments:
        rules.append((re.compile(EXPERTS), True))
    first = arguments.get("n_cpu_moe", "")
    if first and not (first.isascii() and first.isdigit()):
        raise Refusal("bad_argument", "n_cpu_moe", f"is {first[:20]!r}", "give a number of layers")
    rules += [(re.compile(rf"blk\.{layer}{EXPERTS}"), True) for layer in range(min(int(first or 0), model.layers))]
    return lambda name: next((there for pattern, there in rules if pattern.search(name)), False)


def _on_host(place: str) -> bool:
    """Whether a buffer's name is the host's; one on another device than its layer's can't be followed."""
    if place.upper().startswith(("CPU", "CUDA_HOST")):
        return True
    raise Unplanned("override_tensor", f"puts tensors on {place[:20]}", "patterns that end in =CPU are counted")
