"""How a checkpoint says it is quantized (`quantization_config`), read into `Quantization`."""

from __future__ import annotations

from typing import Any

from planner.model.shapes import Quantization, QuantMethod
from planner.refusal import Refusal

SETTING = "quantization_config"

SPECIAL = set(r"*+?^$()[]{}|\\")
"""Characters by which vLLM takes a key of AutoRound's `extra_config` for a pattern (config_parser.py, 0.26.0)."""


def parse_quantization(config: dict[str, Any]) -> Quantization:  # noqa: PLR0911  # one return a method, none nested
    """Reads the part of a config.json that says how weights are stored.

    Raises:
        Refusal: `unknown_quantization` when the method isn't one that the planner can count.
    """
    given = config.get("quantization_config") or config.get("compression_config")
    if given is None:
        return Quantization()
    if not isinstance(given, dict):
        raise Refusal("bad_config", SETTING, f"is {type(given).__name__}, not an object", "download config.json again")
    name = str(given.get("quant_method", "")).lower()
    ignored = _modules(given.get("modules_to_not_convert") or given.get("ignore") or given.get("ignored_layers"))
    match name:
        case "fp8" | "fbgemm_fp8":
            return _fp8(given, ignored, name)
        case "awq":
            return Quantization("awq", _integer(given, "group_size", 128), ignored=ignored, name=name)
        case "gptq" | "gptq_marlin":
            return _gptq(given, ignored, name)
        case "auto-round" | "inc":
            return _auto_round(given, name)
        case "mxfp4":
            return Quantization("mxfp4", 32, ignored=ignored, experts_only=True, name=name)
        case "compressed-tensors":
            return _compressed(given, ignored)
        case "modelopt" | "modelopt_fp4" | "nvfp4":
            algorithm = str((given.get("quantization") or given).get("quant_algo", "NVFP4")).upper()
            more = _modules((given.get("quantization") or given).get("exclude_modules"))
            method: QuantMethod = "nvfp4" if "FP4" in algorithm else "fp8"
            return Quantization(method, 16, ignored=ignored + more, name=name, cache_in_fp8=_cache_in_fp8(given))
        case "gguf":
            return Quantization("gguf", name=name)
        case "ascend":
            return Quantization("ascend_w8a8", ignored=ignored, name=name)
        case _:
            raise Refusal(
                "unknown_quantization",
                SETTING,
                f"quant_method {name or 'missing'!r} is not one the planner can count",
                "use a checkpoint in bf16, FP8, AWQ, GPTQ, AutoRound, MXFP4, NVFP4 or compressed-tensors",
            )


def _cache_in_fp8(given: dict[str, Any]) -> bool:
    """What a ModelOpt checkpoint says of the KV cache (get_kv_cache_quant_algo_string in vllm/utils/torch_utils.py)."""
    inner = given.get("quantization")
    places = [inner if isinstance(inner, dict) else given, given]
    said = [place.get(key) for key in ("kv_cache_scheme", "kv_cache_quant_algo") for place in places]
    scheme = next((value for value in said if value), None)
    if isinstance(scheme, dict):
        return scheme.get("dynamic") is False and scheme.get("num_bits") == 8 and scheme.get("type") == "float"
    return isinstance(scheme, str) and scheme.lower() == "fp8"


def _fp8(given: dict[str, Any], ignored: tuple[str, ...], name: str) -> Quantization:
    block = given.get("weight_block_size")
    if block is None:
        return Quantization("fp8_channel" if name == "fbgemm_fp8" else "fp8", ignored=ignored, name=name)
    if not (isinstance(block, list) and len(block) == 2 and all(isinstance(b, int) and b > 0 for b in block)):
        raise Refusal(
            "bad_config", f"{SETTING}.weight_block_size", f"is {block!r}", "it is two sizes, such as [128, 128]"
        )
    return Quantization("fp8_block", block=(block[0], block[1]), ignored=ignored, name=name)


def _gptq(given: dict[str, Any], ignored: tuple[str, ...], name: str) -> Quantization:
    if _integer(given, "bits", 4) != 4:
        remedy = "use a 4-bit GPTQ or an AWQ checkpoint"
        raise Refusal("unknown_quantization", SETTING, f"GPTQ with {given.get('bits')} bits", remedy)
    symmetric = bool(given.get("sym", True))
    return Quantization("gptq", _integer(given, "group_size", 128), ignored=ignored, symmetric=symmetric, name=name)


def _auto_round(given: dict[str, Any], name: str) -> Quantization:
    """AutoRound's, whose layers vLLM multiplies as GPTQ's or AWQ's (layers/quantization/inc, 0.26.0).

    Without a list, all of the decoder is quantized and the head isn't (_resolve_raw in config_parser.py); layers of
    their own are those that `extra_config` leaves in 16 bits.
    """
    packing, kind = str(given.get("packing_format", "auto_round:auto_gptq")), given.get("data_type", "int")
    own = given.get("extra_config") or {}
    widths = {path: said.get("bits") for path, said in own.items()} if isinstance(own, dict) else {}
    others = {bits for bits in widths.values() if isinstance(bits, int) and bits not in (4, 16, 32)}
    if _integer(given, "bits", 4) != 4 or kind != "int" or others:
        raise Refusal(
            "unknown_quantization",
            SETTING,
            f"AutoRound with {given.get('bits')} bits of {kind}"
            f"{' and layers of ' + ', '.join(map(str, sorted(others))) if others else ''}",
            "use a checkpoint of AutoRound with 4-bit integers",
        )
    whole = [path for path, bits in widths.items() if isinstance(bits, int) and bits >= 16]
    ignored = _modules([f"re:{path}" if set(path) & SPECIAL else path for path in whole])
    method: QuantMethod = "awq" if "awq" in packing else "gptq"
    return Quantization(
        method,
        _integer(given, "group_size", 128),
        ignored=("lm_head", *ignored),
        symmetric=bool(given.get("sym", True)),
        name=name,
    )


def _compressed(given: dict[str, Any], ignored: tuple[str, ...]) -> Quantization:
    groups = given.get("config_groups")
    first: object = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights: object = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(weights, dict):
        raise Refusal("bad_config", f"{SETTING}.config_groups", "says nothing of weights", "download config.json again")
    name = "compressed-tensors"
    bits, kind, strategy = weights.get("num_bits"), weights.get("type"), weights.get("strategy")
    group = weights.get("group_size") or -1
    if kind == "float" and bits == 8:
        if strategy == "block":
            rows, columns = weights.get("block_structure") or (128, 128)
            return Quantization("fp8_block", block=(int(rows), int(columns)), ignored=ignored, name=name)
        return Quantization("fp8_channel" if strategy == "channel" else "fp8", ignored=ignored, name=name)
    if kind == "float" and bits == 4:
        return Quantization("nvfp4", 16, ignored=ignored, name=name)
    if kind == "int" and bits == 4:
        return Quantization(
            "gptq", int(group), ignored=ignored, zero_points=not weights.get("symmetric", True), name=name
        )
    if kind == "int" and bits == 8:
        return Quantization("int8", ignored=ignored, name=name)
    raise Refusal(
        "unknown_quantization",
        SETTING,
        f"{bits}-bit {kind} weights are not ones the planner can count",
        "use 8-bit or 4-bit weights",
    )


def _modules(value: object) -> tuple[str, ...]:
    """Names of modules as a plain decoder has them, not below the name that it has beside a vision tower."""
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list | tuple) else []
    return tuple(
        name.replace("language_model.", "").replace(r"language_model\.", "").replace("backbone.", "model.")
        for name in names
    )


def _integer(given: dict[str, Any], key: str, default: int) -> int:
    value = given.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value == 0 or value < -1:
        raise Refusal("bad_config", f"{SETTING}.{key}", f"is {value!r}, not a size", f"such as {default}")
    return value
