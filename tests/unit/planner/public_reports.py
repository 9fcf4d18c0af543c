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
    "qwen3-30b-4xa10": "out of memory while graphs were captured, for which 0.8.5 keeps nothing free "
    "(v1/worker/gpu_worker.py, determine_available_memory); another report of the same machine has 6.1 GiB outside "
    "PyTorch then (QwenLM/Qwen3 issue 1387), of NCCL in graphs over PCIe, of which no size is derived",
    "r1-16xh20": "NCCL between two machines: 1.6 GiB a GPU more than measured within one; version 0.8.4 counts it "
    "(v1/worker/gpu_worker.py:127, before init_worker_distributed_environment). `plan` has NVLink multicast there, as "
    "`--nvlink-multicast` has: 336,208 tokens (+0.3 %)",
    "v024-7b-a": "the model's name is hidden: Qwen2.5-7B's shape, which was assumed, has neither 14.37 GiB of weights "
    "nor graphs of 0.63",
    "l4-qwen3-30b-fp8-tp4": "sums in captured graphs over PCIe: its report has 2.3 to 2.4 GiB of context and NCCL a "
    "GPU, of which no size is derived; four L40S whose graphs weren't counted are exact",
    "3050-qwen3-0.6b": "0.15 GiB of 6: the CUDA context grows by less on a GPU of 18 multiprocessors than the 232 MiB "
    "that were measured on H100",
    "4090-qwen3-8b-awq": "1.0 GiB that the same machine's bfloat16 run hasn't; no source line has them, and "
    "l40s-llama3-70b-awq hasn't either",
    "l40s-qwen3.8-27b-fp8-16": "weights and cache leave 1.8 GiB, of which the same machine's first boot shows 1.5 for "
    "activations and context; reading the largest image takes 1.8 by its source lines alone: unexplained",
    "a100-40-qwen3.8-27b-int4": "weights and cache leave 1.1 GiB, less than reading the largest image takes by its "
    "source lines: unexplained",
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
        "gpu-memory-mib": row["gpu_memory_mib"],
        "engine-version": row["engine_version"],
        "tensor-parallel-size": row["tensor_parallel_size"],
        "pipeline-parallel-size": row["pipeline_parallel_size"],
        "usage": row["usage"],
        "compute-capability": row["compute_capability"],
    }
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
