# mypy: disable-error-code="import-not-found"
# (torch and vLLM are in the engine's environment, not in the project's)
"""Run by the engine's own Python, not by the project's: vLLM's classes say what each rank holds, without a weight.

Reads cases as JSON from stdin (name, config, tensor, pipeline, expert), builds the model's own class on the meta device
for every pipeline stage, and writes one JSON line a case: bytes of the parameters of each stage and
the KV cache it would cut from 20 GiB, or the refusal.
What the CPU build lacks (kernels of GPU quantizations) stands in `unsupported`.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

os.environ.update(
    HF_HUB_OFFLINE="1", VLLM_CPU_KVCACHE_SPACE="1", VLLM_LOGGING_LEVEL="ERROR", VLLM_NO_USAGE_STATS="1",
    VLLM_CPU_OMP_THREADS_BIND="nobind",
)  # fmt: skip

import torch
import vllm
from vllm import _custom_ops
from vllm.config import set_current_vllm_config
from vllm.distributed import parallel_state
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.utils.torch_utils import set_default_torch_dtype
from vllm.v1.core import kv_cache_utils

KV_BYTES = 20 * 2**30
"""For the KV cache of each stage, of which the engine makes blocks."""

# Kernels are chosen while a model is built, and parameters don't depend on the choice: say this processor has them all.
torch.cpu._is_amx_tile_supported = lambda: True
_custom_ops.cpu_has_amx_fp8 = lambda: True
# The map of experts is read while it is logged, which needs values that meta tensors don't have.
_where = torch.where


def where(condition, *args):
    if not args and condition.is_meta:
        return (torch.empty(0, dtype=torch.int64, device="cpu"),)
    return _where(condition, *args)


torch.where = where


def group(size, rank=0):
    """A process group of `size` in which this process is `rank`, as far as building a model looks."""
    return SimpleNamespace(
        world_size=size, rank_in_group=rank, rank=rank, ranks=list(range(size)), first_rank=0, last_rank=size - 1,
        is_first_rank=rank == 0, is_last_rank=rank == size - 1, device_group=SimpleNamespace(size=lambda: size),
        cpu_group=SimpleNamespace(size=lambda: size), local_rank=rank, device_communicator=None, unique_name="oracle",
    )  # fmt: skip


def _without_empty(config):
    """`quantization_config: null` stands in no config.json; other nulls mean something (q_lora_rank)."""
    return {k: v for k, v in config.items() if not (k == "quantization_config" and v is None)}


def config_of(folder, case):
    return EngineArgs(
        model=str(folder), tokenizer=str(folder), skip_tokenizer_init=True, load_format="dummy", enforce_eager=True,
        tensor_parallel_size=case["tensor"], pipeline_parallel_size=case["pipeline"],
        enable_expert_parallel=case["expert"], distributed_executor_backend="ray" if case["world"] > 1 else None,
        max_model_len=4096, dtype="auto",
    ).create_engine_config()  # fmt: skip


def stage_bytes(config, case, stage):
    parallel_state._TP = group(case["tensor"])
    parallel_state._PP = group(case["pipeline"], stage)
    parallel_state._DP = group(1)
    parallel_state._EP = group(case["tensor"])
    parallel_state._DCP = parallel_state._PCP = group(1)
    config.compilation_config.static_forward_context.clear()
    with set_current_vllm_config(config), torch.device("meta"), set_default_torch_dtype(config.model_config.dtype):
        model = initialize_model(vllm_config=config)
    seen = {id(p): p for p in model.parameters()}
    return sum(p.numel() * p.element_size() for p in seen.values())


def kv_specs(config):
    """What each attention layer of the model just built wants of the KV cache; None for a model with states."""
    layers = config.compilation_config.static_forward_context.items()
    with set_current_vllm_config(config):
        specs = {n: layer.get_kv_cache_spec(config) for n, layer in layers if hasattr(layer, "get_kv_cache_spec")}
    return None if any(type(spec).__name__ == "MambaSpec" for spec in specs.values()) else specs


def kv_cache(config, specs):
    """The engine's own arithmetic for KV_BYTES on every stage."""
    config.cache_config.kv_cache_layout = "LBNHC"  # one layer after another, the order on GPUs; no sizes depend on it
    caches = kv_cache_utils.get_kv_cache_configs(config, specs, [KV_BYTES] * len(specs))
    return {
        "blocks": caches[0].num_blocks,
        "concurrency": kv_cache_utils.get_max_concurrency_for_kv_cache_config(config, caches[0]),
        "block_size": config.cache_config.block_size,
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
    }


def answer(case):
    case = {**case, "world": case["tensor"] * case["pipeline"]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(_without_empty(case["config"])))
        try:
            config = config_of(folder, case)
            stages, specs = [], []
            for stage in range(case["pipeline"]):
                stages.append(stage_bytes(config, case, stage))
                specs.append(kv_specs(config))
            kv = None if None in specs else kv_cache(config, specs)
        except (NotImplementedError, ImportError, AttributeError, RuntimeError) as error:
            return {"unsupported": f"{type(error).__name__}: {error}"[:400]}
        except Exception as error:  # whatever the engine raises is its refusal
            if "Failed to find a kernel" in str(error):
                return {"unsupported": f"{type(error).__name__}: {error}"[:400]}
            return {"refused": f"{type(error).__name__}: {error}"[:400]}
    return {"stage_bytes": stages, "kv_cache": kv}


def main():
    for case in json.load(sys.stdin):
        print("ORACLE " + json.dumps({"name": case["name"], "engine": vllm.__version__, **answer(case)}), flush=True)


main()
