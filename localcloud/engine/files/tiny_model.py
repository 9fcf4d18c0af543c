"""A Qwen2 model of about 2 MB with a real tokenizer, the same bytes each time.

Runs inside the engine's root, with the engine's Python: ``python tiny_model.py TARGET [--mib N]``. The weights are
noise, so the text is nonsense, but every part of serving it is the true one. Nothing in it depends on the
processor: weights come from a counter-based generator by exact arithmetic, the tokenizer is trained on the licence
text of the pinned PyTorch wheel.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

os.environ["RAYON_NUM_THREADS"] = "1"  # the order in which threads count pairs must not show in the tokenizer

import numpy as np  # type: ignore[import-not-found]  # only the engine's environment has these four
import torch  # type: ignore[import-not-found]
from safetensors.torch import save_file  # type: ignore[import-not-found]
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # type: ignore[import-not-found]

SEED = 20260923
VOCAB, HIDDEN, LAYERS, HEADS, KV_HEADS = 2048, 128, 4, 4, 2
HEAD_DIM = HIDDEN // HEADS
"""32: the smallest that vLLM's CPU attention computes."""
INTERMEDIATE = 256
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SHARDS = 2

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

README = """---
license: apache-2.0
---
# Tiny

A Qwen2 model with random weights, for tests of what carries and serves models. Its text is noise.
"""


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON as the hub's own tools do."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def train_tokenizer() -> Tokenizer:
    """Return a byte-level BPE tokenizer of VOCAB tokens; the special ones are 0, 1 and 2."""
    files = importlib.metadata.files("torch") or []
    texts = [str(file.locate()) for file in files if file.name == "LICENSE" and "dist-info" in str(file)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train(sorted(texts), trainer)
    if tokenizer.get_vocab_size() != VOCAB:
        raise SystemExit(f"the tokenizer has {tokenizer.get_vocab_size()} tokens, not {VOCAB}: its text is too short")
    return tokenizer


def shapes(intermediate: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a Qwen2 model, in the order of the layers."""
    kv = KV_HEADS * HEAD_DIM
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
    for layer in range(LAYERS):
        name = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{name}{norm}.weight"] = (HIDDEN,)
        for part, rows in (("q", HIDDEN), ("k", kv), ("v", kv)):
            found[f"{name}self_attn.{part}_proj.weight"] = (rows, HIDDEN)
            found[f"{name}self_attn.{part}_proj.bias"] = (rows,)
        found[f"{name}self_attn.o_proj.weight"] = (HIDDEN, HIDDEN)
        found[f"{name}mlp.gate_proj.weight"] = (intermediate, HIDDEN)
        found[f"{name}mlp.up_proj.weight"] = (intermediate, HIDDEN)
        found[f"{name}mlp.down_proj.weight"] = (HIDDEN, intermediate)
    found["model.norm.weight"] = (HIDDEN,)
    found["lm_head.weight"] = (VOCAB, HIDDEN)
    return found


def weights(intermediate: int) -> dict[str, torch.Tensor]:
    """Return bfloat16 weights: norms are 1, the rest uniform with a spread that keeps the layers' outputs alike."""
    generator = np.random.Philox(key=SEED)
    made: dict[str, torch.Tensor] = {}
    for name, shape in shapes(intermediate).items():
        if "norm" in name:
            made[name] = torch.ones(shape, dtype=torch.bfloat16)
            continue
        count = int(np.prod(shape))
        steps = (generator.random_raw(count) >> np.uint64(56)).astype(np.int64) - 128  # -128 .. 127, exact in bfloat16
        scale = 2.0**-9 if len(shape) == 2 else 2.0**-12  # standard deviation 0.14 and 0.018
        made[name] = torch.from_numpy(steps.astype(np.float32) * np.float32(scale)).reshape(shape).bfloat16()
    made["lm_head.weight"][: len(SPECIAL)] = 0  # greedy text never ends early: a completion has the length asked for
    return made


def save_shards(tensors: dict[str, torch.Tensor], target: Path) -> None:
    """Write the weights as SHARDS safetensors files of about the same size, and their index."""
    total = sum(tensor.nbytes for tensor in tensors.values())
    shards: list[dict[str, torch.Tensor]] = [{} for _ in range(SHARDS)]
    places: dict[str, str] = {}
    done = 0
    for name, tensor in tensors.items():
        number = min(done * SHARDS // total, SHARDS - 1)
        shards[number][name] = tensor
        places[name] = f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors"
        done += tensor.nbytes
    for number, shard in enumerate(shards):
        name = f"model-{number + 1:05d}-of-{SHARDS:05d}.safetensors"
        save_file(shard, target / name, metadata={"format": "pt"})
        (target / name).chmod(0o644)
    write_json(
        target / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))},
    )


def save_tokenizer(tokenizer: Tokenizer, target: Path) -> None:
    """Write tokenizer.json and its configuration, with the chat template inside."""
    tokenizer.save(str(target / "tokenizer.json"))
    added = {
        str(number): {
            "content": content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for number, content in enumerate(SPECIAL)
    }
    write_json(
        target / "tokenizer_config.json",
        {
            "added_tokens_decoder": added,
            "bos_token": None,
            "chat_template": CHAT_TEMPLATE,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "model_max_length": 2048,
            "pad_token": "<|endoftext|>",
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": None,
        },
    )


def save_config(intermediate: int, target: Path) -> None:
    """Write config.json and generation_config.json."""
    write_json(
        target / "config.json",
        {
            "architectures": ["Qwen2ForCausalLM"],
            "attention_dropout": 0.0,
            "eos_token_id": 2,
            "hidden_act": "silu",
            "hidden_size": HIDDEN,
            "initializer_range": 0.02,
            "intermediate_size": intermediate,
            "max_position_embeddings": 2048,
            "model_type": "qwen2",
            "num_attention_heads": HEADS,
            "num_hidden_layers": LAYERS,
            "num_key_value_heads": KV_HEADS,
            "pad_token_id": 0,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": VOCAB,
        },
    )
    write_json(target / "generation_config.json", {"eos_token_id": [2, 0], "pad_token_id": 0})


def intermediate_for(mib: int) -> int:
    """Return the MLP width that brings the weights to about ``mib`` MiB; 0 stands for the tiny one."""
    if mib == 0:
        return INTERMEDIATE
    others = sum(int(np.prod(shape)) for name, shape in shapes(0).items() if ".mlp." not in name) * 2
    return max(INTERMEDIATE, (mib * 2**20 - others) // (LAYERS * 3 * HIDDEN * 2) // 64 * 64)


def main() -> None:
    """Write the model into an empty directory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--mib", type=int, default=0, help="size of the weights in MiB; the default is about 2")
    options = parser.parse_args()
    width = intermediate_for(options.mib)
    save_tokenizer(train_tokenizer(), options.target)
    save_config(width, options.target)
    save_shards(weights(width), options.target)
    (options.target / "README.md").write_text(README, encoding="utf-8")


if __name__ == "__main__":
    main()
