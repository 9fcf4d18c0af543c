"""Random weights: `weights.py FOLDER [7b|small]`, with a Python that has torch.

Qwen2's architecture with the tiny model's tokenizer, and so a smaller vocabulary: as large as Qwen2.5-7B, which fills
a GPU a little (13 GB), or small (0.2 GB), of which a start shows no more than whether it works.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch  # type: ignore[import-not-found,unused-ignore]  # the machine has it

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "localcloud/fixtures/files"))
import tiny_model  # type: ignore[import-not-found]  # noqa: E402  # the path above has it

SHAPES = {
    "7b": ({"HIDDEN": 3584, "LAYERS": 28, "HEADS": 28, "KV_HEADS": 4, "HEAD_DIM": 128, "SHARDS": 4}, 18944),
    "small": ({"HIDDEN": 1024, "LAYERS": 8, "HEADS": 8, "KV_HEADS": 4, "HEAD_DIM": 128, "SHARDS": 2}, 2816),
}
CONTEXT = 32768


def main() -> None:
    """Writes the model into the folder."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    shape, intermediate = SHAPES[sys.argv[2] if len(sys.argv) > 2 else "7b"]
    for name, value in shape.items():
        setattr(tiny_model, name, value)
    torch.manual_seed(tiny_model.SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors = {}
    for name, size in tiny_model.shapes(intermediate).items():
        if "norm" in name:
            tensors[name] = torch.ones(size, dtype=torch.bfloat16)
        else:
            spread = 1 / math.sqrt(size[-1]) if len(size) == 2 else 0.02
            tensors[name] = (torch.randn(size, device=device) * spread).bfloat16().cpu()
    tensors["lm_head.weight"][: len(tiny_model.SPECIAL)] = 0  # greedy text never ends early
    tiny_model.save_tokenizer(tiny_model.train_tokenizer(), target)
    tiny_model.save_config(intermediate, target)
    config = json.loads((target / "config.json").read_text())
    tiny_model.write_json(target / "config.json", config | {"max_position_embeddings": CONTEXT})
    tiny_model.save_shards(tensors, target)


if __name__ == "__main__":
    main()
