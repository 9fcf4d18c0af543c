"""GGUF files: which model and quantization a name means, how large it is, and what its tensors are called."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from planner.catalog.models import models
from planner.model.entry import ModelEntry, catalog_model
from planner.model.shapes import Experts, LatentAttention, Model
from planner.refusal import Refusal, Unplanned

BITS: dict[str, float] = {
    "IQ1_S": 2.0042,
    "IQ1_M": 2.146,
    "IQ2_XXS": 2.3824,
    "IQ2_XS": 2.5882,
    "IQ2_S": 2.7403,
    "IQ2_M": 2.9294,
    "IQ3_XXS": 3.2548,
    "IQ3_XS": 3.4977,
    "IQ3_S": 3.6606,
    "IQ3_M": 3.7628,
    "IQ4_XS": 4.4597,
    "IQ4_NL": 4.6818,
    "Q2_K_S": 2.9697,
    "Q2_K": 3.1593,
    "Q3_K_S": 3.6429,
    "Q3_K_M": 4.0,
    "Q3_K_L": 4.2979,
    "Q4_0": 4.64,
    "Q4_1": 5.11,
    "Q4_K_S": 4.6672,
    "Q4_K_M": 4.8944,
    "Q5_0": 5.57,
    "Q5_1": 6.04,
    "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036,
    "Q6_K": 6.5633,
    "Q8_0": 8.5008,
    "F16": 16.0005,
    "BF16": 16.0005,
    "F32": 32.0,
    "Q2_K_XL": 3.3,
    "Q3_K_XL": 4.3,
    "Q4_K_XL": 5.0,
    "Q5_K_XL": 5.8,
    "Q6_K_XL": 7.4,
    "Q8_K_XL": 10.0,
}
"""Bits of a weight in a whole file of each type, of an 8B model: llama.cpp, tools/quantize/README.md; Q3_K_M, Q4_0,
Q4_1, Q5_0 and Q5_1 by the sizes of `llama-quantize --help`; _XL, which are Unsloth's own, guessed above their _M.
Larger models have fewer: embeddings weigh less."""

WIDE_BITS = 5.0
"""Bits of a weight that isn't a routed expert's where a file leaves only experts narrow: 4 to 6
(unsloth.ai/blog/deepseekr1-dynamic)."""

NAMED = re.compile(
    rf"(?<![a-z0-9])(?:ud-)?(?:{'|'.join(sorted(BITS, key=len, reverse=True))})(?![a-z0-9_])", re.IGNORECASE
)
"""A type in the name of a file, a folder or a repository, `UD-` before it where it is Unsloth's dynamic one."""


class GgufTensor(NamedTuple):
    """A tensor as llama.cpp names it, such as `blk.7.ffn_up_exps.weight`.

    Attributes:
        name: what --override-tensor's patterns are searched in.
        layer: its number; None for the embedding table, which stays on the host, and for the head.
        weights: how many.
        routed: it holds routed experts.
    """

    name: str
    layer: int | None
    weights: int
    routed: bool = False


def gguf_model(name: str, files: Sequence[str] = (), shapes: Model | None = None) -> ModelEntry:
    """A GGUF repository's, folder's or file's model with the size of the quantization that is chosen.

    Args:
        name: owner/name on a hub, or a folder's name.
        files: patterns of the files that are taken.
        shapes: the model's, where its config.json is there; the catalog's by the name otherwise.

    Raises:
        Unplanned: model or quantization aren't known.
    """
    # A pattern with ! takes away, and a projector is a file beside the model's.
    taken = [text for text in files if not text.startswith("!") and "mmproj" not in text.lower()]
    chosen = {found[0].upper() for text in taken or [name] for found in NAMED.finditer(text)}
    if len(chosen) != 1:
        said = f"names {' and '.join(sorted(chosen))}" if chosen else "names no quantization that the planner knows"
        raise Unplanned("model.files", said, "give one, such as *Q4_K_M*, so that its size is counted")
    kind = chosen.pop()
    base = _base(name)
    exact = (models()[base.name].gguf_gb or {}).get(kind) if base is not None else None
    model = shapes or (base.model if base is not None else None)
    if model is None:
        raise Unplanned(
            "model.config",
            f"the planner's catalog has no {name}",
            "give the path of the unquantized model's config.json, so that memory and layers are counted",
        )
    if exact is not None and shapes is None:
        return ModelEntry(f"{base.name if base else name} {kind}", model, int(exact * 1e9))
    bits = BITS[kind.removeprefix("UD-")]
    size = int(sum(tensor.weights for tensor in tensors(model)) * bits / 8)
    return ModelEntry(f"{base.name if base else name} {kind}", model, size, estimated=True)


def _base(name: str) -> ModelEntry | None:
    """The catalog's model that a GGUF repository or folder is made of."""
    own = NAMED.sub("", name.rstrip("/").rsplit("/", 1)[-1].lower())
    own = re.sub(r"(\.|-|_)+gguf$|-i1(?=-|$)", "", own.strip("-_."), flags=re.IGNORECASE).strip("-_.")
    for text in (own, own.removeprefix("meta-"), own.partition("_")[2]):
        if not text:
            continue
        try:
            return catalog_model(text)
        except Refusal:
            continue
    return None


def tensors(model: Model) -> Iterator[GgufTensor]:
    """Every tensor that counts; norms and biases don't (names: llama.cpp, gguf-py/gguf/constants.py)."""
    table_size = model.vocab * model.hidden
    yield GgufTensor("token_embd.weight", None, table_size)
    for layer in range(model.layers):
        for name, weights in _attention(model, layer):
            yield GgufTensor(f"blk.{layer}.{name}.weight", layer, weights)
        if model.experts is None or model.dense[layer]:
            for name in ("ffn_gate", "ffn_up", "ffn_down") if model.gated else ("ffn_up", "ffn_down"):
                yield GgufTensor(f"blk.{layer}.{name}.weight", layer, model.hidden * model.intermediate)
        else:
            yield from _experts(model.experts, model.hidden, layer)
    yield GgufTensor("output.weight", None, table_size)


def _attention(model: Model, layer: int) -> Iterator[tuple[str, int]]:
    hidden, a = model.hidden, model.attention
    if model.kinds[layer] == "linear" and model.linear is not None:
        yield "ssm_in", hidden * model.linear.projected
        yield "ssm_out", hidden * model.linear.values
    elif isinstance(a, LatentAttention):
        queries = a.heads * (a.nope_dim + a.rope_dim)
        if a.query_lora_rank:
            yield "attn_q_a", hidden * a.query_lora_rank
            yield "attn_q_b", a.query_lora_rank * queries
        else:
            yield "attn_q", hidden * queries
        yield "attn_kv_a_mqa", hidden * (a.kv_lora_rank + a.rope_dim)
        yield "attn_k_b", a.heads * a.nope_dim * a.kv_lora_rank
        yield "attn_v_b", a.heads * a.value_dim * a.kv_lora_rank
        yield "attn_output", a.heads * a.value_dim * hidden
    else:
        yield "attn_q", hidden * a.heads * a.head_dim * (2 if a.output_gate else 1)
        yield "attn_k", hidden * a.kv_heads * a.head_dim
        yield "attn_v", hidden * a.kv_heads * a.head_dim
        yield "attn_output", a.heads * a.head_dim * hidden


def _experts(experts: Experts, hidden: int, layer: int) -> Iterator[GgufTensor]:
    yield GgufTensor(f"blk.{layer}.ffn_gate_inp.weight", layer, hidden * experts.count)
    for name in ("gate", "up", "down"):
        weights = experts.count * hidden * experts.intermediate
        yield GgufTensor(f"blk.{layer}.ffn_{name}_exps.weight", layer, weights, routed=True)
        if experts.shared_intermediate:
            yield GgufTensor(f"blk.{layer}.ffn_{name}_shexp.weight", layer, hidden * experts.shared_intermediate)


def tensor_bytes(entry: ModelEntry) -> list[tuple[GgufTensor, float]]:
    """Each tensor and its bytes, so that together they are the file's.

    Where a file has fewer bits a weight than `WIDE_BITS` and routed experts, these are what is narrow.
    """
    found = list(tensors(entry.model))
    whole = sum(tensor.weights for tensor in found)
    routed = sum(tensor.weights for tensor in found if tensor.routed)
    total = float(entry.download_bytes or 0)
    wide = max(total / whole, WIDE_BITS / 8 if routed else 0.0)
    narrow = (total - wide * (whole - routed)) / routed if routed else wide
    if narrow <= 0:
        wide = narrow = total / whole
    return [(tensor, tensor.weights * (narrow if tensor.routed else wide)) for tensor in found]
