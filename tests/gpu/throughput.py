"""What vLLM does on one GPU, with random weights of known shapes: tokens a second at 1 to 256 streams, and its memory.

`throughput.py FOLDER [MODEL...]` measures each model in a process of its own and writes FOLDER/MODEL.json and .log;
with a Python that has vLLM and torch, no tokenizer, no file of weights. As `vllm bench latency` does it: prompts of
random tokens, all at once, prefix caching off. Prefill is the prompts' tokens over the time to the last first token;
decode is what as many more tokens of every answer take.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

SHAPES: dict[str, dict[str, object]] = {
    "qwen2.5-7b": {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 32768,
        "rope_theta": 1000000.0,
        "use_sliding_window": False,
    },
    "llama-3.1-8b": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "rope_theta": 500000.0,
    },
    "qwen3-30b-a3b": {
        "architectures": ["Qwen3MoeForCausalLM"],
        "model_type": "qwen3_moe",
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "vocab_size": 151936,
        "max_position_embeddings": 40960,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
        "rope_theta": 1000000.0,
    },
}
"""config.json of each model, without its tokenizer."""

COMMON = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "initializer_range": 0.02,
}
CONTEXT = 16384
STREAMS = ((1, 1024, 256), (16, 1024, 256), (64, 1024, 192), (256, 1024, 128), (16, 8192, 128))
"""Streams, tokens of each prompt, tokens of an answer that are timed; the last is at another context."""

LEAD = 33
"""Tokens of an answer before those that are timed: while some prompts are read, others are answered already."""

SAID = {
    "weights_gib": r"Model loading took ([\d.]+) GiB",
    "kv_cache_gib": r"Available KV cache memory: ([\d.]+) GiB",
    "kv_cache_tokens": r"GPU KV cache size: ([\d,]+) tokens",
    "graphs_gib": r"Graph capturing finished in \d+ secs?, took ([\d.]+) GiB",
}
"""What the engine's log says of its memory."""


def main() -> int:
    """Measures the models named, or all; the number that failed."""
    folder, names = Path(sys.argv[1]), sys.argv[2:] or list(SHAPES)
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in names:
        began = time.monotonic()
        log = folder / f"{name}.log"
        with log.open("w") as file:
            child = subprocess.Popen(
                [sys.executable, __file__, "--one", name, str(folder)],
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            code = child.wait()
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # the engine's own process, should it be left
        text = log.read_text(errors="replace")
        result = folder / f"{name}.json"
        found = json.loads(result.read_text()) if result.exists() else {"model": name, "rows": []}
        memory = {key: re.findall(pattern, text) for key, pattern in SAID.items()}
        found["memory"] = {key: float(said[-1].replace(",", "")) for key, said in memory.items() if said}
        found["seconds"] = round(time.monotonic() - began)
        result.write_text(json.dumps(found, indent=1) + "\n")
        print(json.dumps(found), flush=True)
        if code:
            failed += 1
            print(f"{name}: ended with {code}", *text.splitlines()[-15:], sep="\n", flush=True)
    return failed


def measure(name: str, folder: Path) -> None:
    """One model in this process; its JSON is written after every row, so that a time limit loses only the rest."""
    import torch  # type: ignore[import-not-found,unused-ignore]  # the machine has it
    from vllm import LLM, SamplingParams, __version__  # type: ignore[import-not-found,unused-ignore]

    config = folder / name
    config.mkdir(exist_ok=True)
    (config / "config.json").write_text(json.dumps(COMMON | SHAPES[name]))
    began = time.monotonic()
    llm = LLM(
        model=str(config),
        load_format="dummy",
        skip_tokenizer_init=True,
        enable_prefix_caching=False,
        max_model_len=CONTEXT,
        disable_log_stats=True,
    )
    started = round(time.monotonic() - began)
    random = Random(0)  # noqa: S311  # no secret

    def seconds(streams: int, prompt: int, answer: int) -> float:
        prompts = [{"prompt_token_ids": random.choices(range(3, 10000), k=prompt)} for _ in range(streams)]
        # Greedy: how answers are sampled is not what is measured.
        how = SamplingParams(temperature=0, ignore_eos=True, max_tokens=answer, detokenize=False)
        begin = time.perf_counter()
        done = llm.generate(prompts, how, use_tqdm=False)
        spent = time.perf_counter() - begin
        tokens = sum(len(each.outputs[0].token_ids) for each in done)
        if tokens != streams * answer:
            raise RuntimeError(f"{tokens} tokens instead of {streams * answer}")
        return spent

    seconds(1, 128, 40)
    rows: list[dict[str, object]] = []
    for streams, prompt, answer in STREAMS:
        times = 1 if streams * prompt > 100_000 else 2
        seconds(min(streams, 16), prompt, 2)  # kernels that are compiled at their first use
        first, short, whole = (
            min(seconds(streams, prompt, tokens) for _ in range(times)) for tokens in (1, LEAD, LEAD + answer)
        )
        rows.append(
            {
                "streams": streams,
                "prompt": prompt,
                "context": prompt + LEAD + answer // 2,
                "prefill": round(streams * prompt / first, 1),
                "decode": round(streams * answer / (whole - short), 1),
                "seconds": [round(first, 4), round(short, 4), round(whole, 4)],
            }
        )
        said = {"model": name, "gpu": torch.cuda.get_device_name(), "version": __version__, "started": started}
        (folder / f"{name}.json").write_text(json.dumps(said | {"rows": rows}))


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
