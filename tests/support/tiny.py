"""The tiny model in the local stacks' settings: random weights, 2 MiB, both machines share each layer."""

from typing import Any

MODEL = "tandem/tiny-qwen2"
SERVING: dict[str, Any] = {
    "engine": "vllm",
    "executor": "ray",
    "tensorParallelSize": 2,
    "pipelineParallelSize": 1,
    "maxModelLen": 512,
    "arguments": [
        "--enforce-eager",
        "--max-num-seqs=4",
        "--kv-cache-memory-bytes=67108864",
        "--dtype=float32",
    ],
    "environment": {"OMP_NUM_THREADS": "1", "TORCHDYNAMO_DISABLE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
}


def with_tiny_model(config: dict[str, Any]) -> dict[str, Any]:
    """A stack's settings with the tiny model in place of the one that can be talked to."""
    return {**config, "model": {**config["model"], "id": MODEL}, "serving": {**SERVING}}
