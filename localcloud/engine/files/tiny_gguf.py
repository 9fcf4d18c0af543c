"""The tiny model as GGUF: ``python tiny_gguf.py MODEL TARGET PARTS``, inside the engine's root.

Weights are 32-bit, so that llama.cpp computes with what vLLM has when it is told `--dtype float32`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gguf  # type: ignore[import-not-found]  # the engine's environment and llama.cpp's tools have these three
import torch  # type: ignore[import-not-found]
from safetensors import safe_open  # type: ignore[import-not-found]

README = """---
license: apache-2.0
---
# Tiny

tandem/tiny-qwen2 as GGUF, 32-bit.
"""


def add_settings(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    """The model's shape."""
    writer.add_name("tiny")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def add_tokenizer(writer: gguf.GGUFWriter, folder: Path) -> None:
    """The byte-level BPE, whose splitting is GPT-2's own."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted({**vocabulary, **special}.items(), key=lambda item: item[1])
    kinds = [gguf.TokenType.CONTROL if text in special else gguf.TokenType.NORMAL for text, _ in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_types(kinds)
    writer.add_token_merges(
        [pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]]
    )
    writer.add_eos_token_id(special[settings["eos_token"]])
    writer.add_pad_token_id(special[settings["pad_token"]])
    writer.add_add_bos_token(False)
    writer.add_chat_template(settings["chat_template"])


def main() -> None:
    """Write the parts into an empty folder."""
    folder, target, parts = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    config = json.loads((folder / "config.json").read_text())
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            tensors |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # it is no mapping
    most = -(-len(tensors) // parts) if parts > 1 else 0
    writer = gguf.GGUFWriter(target / "tiny.gguf", "qwen2", split_max_tensors=most)
    add_settings(writer, config)
    add_tokenizer(writer, folder)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config["num_hidden_layers"])
    for name, tensor in tensors.items():
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), tensor.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (target / "README.md").write_text(README, encoding="utf-8")


if __name__ == "__main__":
    main()
