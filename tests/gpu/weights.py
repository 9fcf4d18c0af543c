"""Random weights of a model that fills a GPU a little: `weights.py FOLDER`, with a Python that has torch.

Qwen2's architecture in the shape of Qwen2.5-7B, with the tiny model's tokenizer and so a smaller vocabulary: 13 GB.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch  # type: ignore[import-not-found,unused-ignore]  # the machine has it

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "localcloud/engine/files"))
import tiny_model  # type: ignore[import-not-found]  # noqa: E402  # the path above has it

SHAPE = {"HIDDEN": 3584, "LAYERS": 28, "HEADS": 28, "KV_HEADS": 4, "HEAD_DIM": 128, "SHARDS": 4}
INTERMEDIATE, CONTEXT = 18944, 32768


def main() -> None:
    """Writes the model into the folder."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, value in SHAPE.items():
        setattr(tiny_model, name, value)
    torch.manual_seed(tiny_model.SEED)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors = {}
    for name, shape in tiny_model.shapes(INTERMEDIATE).items():
        if "norm" in name:
            tensors[name] = torch.ones(shape, dtype=torch.bfloat16)
        else:
            spread = 1 / math.sqrt(shape[-1]) if len(shape) == 2 else 0.02
            tensors[name] = (torch.randn(shape, device=device) * spread).bfloat16().cpu()
    tensors["lm_head.weight"][: len(tiny_model.SPECIAL)] = 0  # greedy text never ends early
    tiny_model.save_tokenizer(tiny_model.train_tokenizer(), target)
    tiny_model.save_config(INTERMEDIATE, target)
    config = json.loads((target / "config.json").read_text())
    tiny_model.write_json(target / "config.json", config | {"max_position_embeddings": CONTEXT})
    tiny_model.save_shards(tensors, target)


if __name__ == "__main__":
    main()
