"""Random weights: `weights.py FOLDER [7b|small|moe|SHAPE]`, with a Python that has torch.

Qwen2's architecture with the tiny model's tokenizer, and so a smaller vocabulary: as large as Qwen2.5-7B, which fills
a GPU a little (13 GB), or small (0.2 GB), of which a start shows no more than whether it works. `moe`: Qwen3-30B-A3B's
layers, a quarter of them (14 GB). A name of throughput.py's shapes: its config.json and a tokenizer alone, for
`--load-format dummy`.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch  # type: ignore[import-not-found,unused-ignore]  # the machine has it

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "localcloud/fixtures/files"))
import throughput  # type: ignore[import-not-found,unused-ignore]  # noqa: E402  # it lies beside this file
import tiny_model  # type: ignore[import-not-found]  # noqa: E402  # the path above has it

SHAPES = {
    "7b": ({"HIDDEN": 3584, "LAYERS": 28, "HEADS": 28, "KV_HEADS": 4, "HEAD_DIM": 128, "SHARDS": 4}, 18944),
    "small": ({"HIDDEN": 1024, "LAYERS": 8, "HEADS": 8, "KV_HEADS": 4, "HEAD_DIM": 128, "SHARDS": 2}, 2816),
}
CONTEXT = 32768
MOE: dict[str, Any] = throughput.COMMON | throughput.SHAPES["qwen3-30b-a3b"] | {"num_hidden_layers": 12}


def moe_shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every weight of a Qwen3 model with experts."""
    hidden, width, head = MOE["hidden_size"], MOE["moe_intermediate_size"], MOE["head_dim"]
    heads, kv = MOE["num_attention_heads"] * head, MOE["num_key_value_heads"] * head
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (tiny_model.VOCAB, hidden)}
    for layer in range(MOE["num_hidden_layers"]):
        name = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{name}{norm}.weight"] = (hidden,)
        for norm in ("q_norm", "k_norm"):
            found[f"{name}self_attn.{norm}.weight"] = (head,)
        for part, size in {"q": (heads, hidden), "k": (kv, hidden), "v": (kv, hidden), "o": (hidden, heads)}.items():
            found[f"{name}self_attn.{part}_proj.weight"] = size
        found[f"{name}mlp.gate.weight"] = (MOE["num_experts"], hidden)
        for expert in range(MOE["num_experts"]):
            for part, size in {"gate": (width, hidden), "up": (width, hidden), "down": (hidden, width)}.items():
                found[f"{name}mlp.experts.{expert}.{part}_proj.weight"] = size
    return found | {"model.norm.weight": (hidden,), "lm_head.weight": (tiny_model.VOCAB, hidden)}


def main() -> None:
    """Writes the model into the folder."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    kind = sys.argv[2] if len(sys.argv) > 2 else "7b"
    if kind in throughput.SHAPES:
        tiny_model.save_tokenizer(tiny_model.train_tokenizer(), target)
        tiny_model.write_json(target / "config.json", throughput.COMMON | throughput.SHAPES[kind])
        return
    shape, intermediate = SHAPES.get(kind, ({"SHARDS": 4}, 0))
    for name, value in shape.items():
        setattr(tiny_model, name, value)
    torch.manual_seed(tiny_model.SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors = {}
    for name, size in (moe_shapes() if kind == "moe" else tiny_model.shapes(intermediate)).items():
        if "norm" in name:
            tensors[name] = torch.ones(size, dtype=torch.bfloat16)
        else:
            spread = 1 / math.sqrt(size[-1]) if len(size) == 2 else 0.02
            tensors[name] = (torch.randn(size, device=device) * spread).bfloat16().cpu()
    tensors["lm_head.weight"][: len(tiny_model.SPECIAL)] = 0  # greedy text never ends early
    tiny_model.save_tokenizer(tiny_model.train_tokenizer(), target)
    tiny_model.save_config(intermediate, target)
    own = MOE | {"vocab_size": tiny_model.VOCAB, "eos_token_id": 2} if kind == "moe" else {}
    config = json.loads((target / "config.json").read_text())
    tiny_model.write_json(target / "config.json", config | own | {"max_position_embeddings": CONTEXT})
    tiny_model.save_shards(tensors, target)


if __name__ == "__main__":
    main()
