"""What people published of their own GPUs, beside what is planned. Nothing is fitted to these.

`python -m tests.unit.planner.public_reports` prints the table of docs/planner.md.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from planner.__main__ import main

REPORTS = json.loads(Path(__file__).with_name("public_reports.json").read_text())
WEIGHTS, CACHE = 0.01, 0.05
"""Largest relative errors of weights and KV cache."""

NAMES = {"w": "weights_gib_per_gpu", "kv": "kv_cache_gib_per_gpu", "tok": "kv_cache_tokens"}

OFF = {
    "llmd-gpt-oss-120b": "weights 64.38, activations of the same file's gpt-oss-20b 7.38, others 0.13 and the cache "
    "3.33 GiB add up to 0.95 of the GPU, which the report doesn't say; at 0.9 the engine refuses, as planned",
    "qwen3-30b-4xa10": "out of memory while graphs were captured, for which 0.8.5 keeps nothing free "
    "(v1/worker/gpu_worker.py, determine_available_memory); another report of the same machine has 6.1 GiB outside "
    "PyTorch then (QwenLM/Qwen3 issue 1387), of NCCL in graphs over PCIe, of which no size is derived",
    "r1-16xh20": "NCCL between two machines: 1.6 GiB a GPU more than measured within one; version 0.8.4 counts it "
    "(v1/worker/gpu_worker.py:127, before init_worker_distributed_environment)",
    "glm4.7-nvfp4": "47,104 bytes a token are an 8-bit KV cache, which the config doesn't say; weights and cache are "
    "79.1 GiB, more than the share of 0.8 that was assumed (75.98)",
    "qwen3vl2b-5070ti": "weights hold deepstack buffers of a batch (qwen3_vl.py:1672): with the 2,048 tokens of "
    "`vllm serve` they are 4.24 GiB as reported; the 8,192 of `vllm.LLM` were assumed",
    "v024-7b-a": "the model's name is hidden: Qwen2.5-7B's shape, which was assumed, has neither 14.37 GiB of weights "
    "nor graphs of 0.63",
}
"""Reports that are off, and why."""


@dataclass(frozen=True)
class Comparison:
    """One report beside its plan.

    Attributes:
        row: of public_reports.json.
        planned: what the command printed: figures, or a refusal.
    """

    row: dict[str, Any]
    planned: dict[str, Any]

    @property
    def errors(self) -> dict[str, float]:
        """Relative errors of weights, KV cache and its tokens, of those that both have."""
        reported = self.row["reported"]
        return {
            ours: self.planned[name] / reported[ours] - 1
            for ours, name in NAMES.items()
            if name in self.planned and (reported.get(ours) or 0) > 0
        }

    @property
    def right(self) -> bool:
        """Fit or refusal as reported, weights within 1 %, the KV cache and its tokens within 5 %."""
        fits = self.row["reported"].get("fits")
        outcome = fits is None or fits is ("refusal" not in self.planned)
        return outcome and all(abs(e) <= (WEIGHTS if n == "w" else CACHE) for n, e in self.errors.items())


def compared(row: dict[str, Any]) -> Comparison:
    """What `python -m planner memory` says to a report's configuration."""
    options = {
        "gpu-memory-mib": row["gpu_memory_mib"], "engine-version": row["engine_version"],
        "tensor-parallel-size": row["tensor_parallel_size"], "pipeline-parallel-size": row["pipeline_parallel_size"],
        "usage": row["usage"], "compute-capability": row["compute_capability"],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()):
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(REPORTS["configs"][row["config"]]))
        call = [f"--{name}={value}" for name, value in options.items() if value is not None]
        call += [f"--set={name}={value}" for name, value in row["engine_args"].items()]
        main(["memory", f"--config={config}", *call, "--json"])
    return Comparison(row, json.loads(out.getvalue()))


def table() -> str:
    """Every report, as Markdown."""
    lines = [
        "| Report | vLLM, GPU | weights GiB | KV cache GiB | KV tokens | starts | Why it is off |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_line(compared(row)) for row in REPORTS["rows"]]
    return "\n".join(lines)


def _line(found: Comparison) -> str:
    row, reported, planned = found.row, found.row["reported"], found.planned
    cells = []
    for ours, name in NAMES.items():
        error = found.errors.get(ours)
        cells.append("" if error is None else f"{planned[name]:,} / {reported[ours]:,} ({error * 100:+.1f} %)")
    words = {True: "yes", False: "no", None: "?"}
    starts = f"{words['refusal' not in planned]} / {words[reported.get('fits')]}"
    why = OFF.get(row["id"], "")
    return f"| {row['id']} | {row['engine_version']}, {row['gpu']} | {' | '.join(cells)} | {starts} | {why} |"


if __name__ == "__main__":
    print(table())
