# mypy: ignore-errors
# (torch and vLLM are in the engine's environment, not in the project's)
"""Run by the engine's own Python, not by the project's: vLLM's classes say what each rank holds, without a weight.

Reads cases as JSON from stdin (name, config, tensor, pipeline, expert, detail), builds the model's own class on the
meta device for every pipeline stage, and writes one JSON line a case: bytes of the parameters of each stage, of a token
and of a request's state there, and the KV cache it would cut from 20 GiB, or the refusal; with `detail` the tensors and
what each layer remembers.
What the CPU build lacks (kernels of GPU quantizations) stands in `unsupported`.
"""

import importlib.abc
import importlib.machinery
import inspect
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

os.environ.update(
    HF_HUB_OFFLINE="1",
    VLLM_CPU_KVCACHE_SPACE="1",
    VLLM_LOGGING_LEVEL="ERROR",
    VLLM_NO_USAGE_STATS="1",
    VLLM_CPU_OMP_THREADS_BIND="nobind",
)

import torch
import vllm
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig
from vllm import _custom_ops
from vllm.config import set_current_vllm_config
from vllm.distributed import parallel_state
from vllm.engine.arg_utils import EngineArgs
from vllm.model_executor.layers.attention.mla_attention import MLACommonImpl
from vllm.model_executor.model_loader.utils import initialize_model
from vllm.model_executor.models import registry
from vllm.platforms.cpu import CpuPlatform
from vllm.transformers_utils.config import _CONFIG_REGISTRY
from vllm.utils.torch_utils import set_default_torch_dtype
from vllm.v1.core import kv_cache_utils

KV_BYTES = 20 * 2**30
"""For the KV cache of each stage, of which the engine makes blocks."""

TOWERS = re.compile("vision|visual|audio|tower|encoder|vit|sampler|project|merger|mtp|patch|connector")
"""Paths that begin with one of these words have numbered layers that are none of the language model's."""

ANY_NUMBER = re.compile(r"(?:^|\.)(\d+)(?:\.|$)")
NUMBERED = re.compile(r"(?:layers|h|blocks|block)\.(\d+)(?:\.|$)")

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
# Slopes and scales that a class reads back while it is built: any value will do, for none decides a shape.
_tolist, _item = torch.Tensor.tolist, torch.Tensor.item
torch.Tensor.tolist = lambda t: torch.zeros(t.shape, device="cpu").tolist() if t.is_meta else _tolist(t)
torch.Tensor.item = lambda t: 0 if t.is_meta else _item(t)
# Sparse attention has no kernel on a processor, and keeps what dense attention keeps.
_backend = CpuPlatform.get_attn_backend_cls


def dense_backend(selected_backend, attn_selector_config, num_heads=None):
    return _backend(selected_backend, attn_selector_config._replace(use_sparse=False), num_heads)


CpuPlatform.get_attn_backend_cls = staticmethod(dense_backend)


_latent_init = MLACommonImpl.__init__


def latent_init(self, *given, **named):
    """Sparse attention hands over its indexer, which dense attention doesn't know."""
    known = inspect.signature(_latent_init).parameters
    _latent_init(self, *given, **{name: value for name, value in named.items() if name in known})


MLACommonImpl.__init__ = latent_init


class Stub(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for packages of GPU kernels that classes import and that building them doesn't call.

    Added once what looks for those packages is imported.
    """

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.split(".")[0] in ("cutlass", "cuda") else None

    def create_module(self, spec):
        module = MagicMock(__spec__=spec, __path__=[], __name__=spec.name)
        module.__all__ = []
        return module

    def exec_module(self, module):
        pass


sys.meta_path.append(Stub())


class OwnConfig(PretrainedConfig):
    """Reads a config.json whose class comes with the checkpoint; parts of it as the classes that their type names."""

    def __init__(self, **given):
        for key, value in given.items():
            if key.endswith("_config") and isinstance(value, dict) and key != "quantization_config":
                own = CONFIG_MAPPING[value["model_type"]] if value.get("model_type") in CONFIG_MAPPING else OwnConfig
                given[key] = own(**value) if "model_type" in value else value
        super().__init__(**given)


def know(config):
    """Lets the engine read a config of a type that the installed transformers doesn't have."""
    name = config.get("model_type")
    if name and name not in CONFIG_MAPPING and name not in _CONFIG_REGISTRY:
        AutoConfig.register(name, type("OwnConfig", (OwnConfig,), {"model_type": name}))


# A class is looked at in a process of its own, 10 s each; this process builds nothing else.
registry._run_in_subprocess = lambda look: look()


def group(size, rank=0):
    """A process group of `size` in which this process is `rank`, as far as building a model looks."""
    return SimpleNamespace(
        world_size=size,
        rank_in_group=rank,
        rank=rank,
        ranks=list(range(size)),
        first_rank=0,
        last_rank=size - 1,
        is_first_rank=rank == 0,
        is_last_rank=rank == size - 1,
        device_group=SimpleNamespace(size=lambda: size),
        cpu_group=SimpleNamespace(size=lambda: size),
        local_rank=rank,
        device_communicator=None,
        unique_name="oracle",
    )


def _without_empty(config):
    """`quantization_config: null` stands in no config.json; other nulls mean something (q_lora_rank)."""
    return {k: v for k, v in config.items() if not (k == "quantization_config" and v is None)}


def config_of(folder, case):
    return EngineArgs(
        model=str(folder),
        tokenizer=str(folder),
        skip_tokenizer_init=True,
        load_format="dummy",
        enforce_eager=True,
        tensor_parallel_size=case["tensor"],
        pipeline_parallel_size=case["pipeline"],
        data_parallel_size=case.get("data", 1),
        enable_expert_parallel=case["expert"],
        distributed_executor_backend="ray" if case["world"] > 1 else None,
        max_model_len=4096,
        dtype="auto",
    ).create_engine_config()


def build(config, case, stage):
    """The parameters of one rank of a stage: names and bytes, each tensor once."""
    parallel_state._TP = group(case["tensor"])
    parallel_state._PP = group(case["pipeline"], stage)
    parallel_state._DP = group(case.get("data", 1))
    parallel_state._EP = group(case["tensor"] * case.get("data", 1))
    parallel_state._DCP = parallel_state._PCP = group(1)
    config.compilation_config.static_forward_context.clear()
    with set_current_vllm_config(config), torch.device("meta"), set_default_torch_dtype(config.model_config.dtype):
        model = initialize_model(vllm_config=config)
    seen = {id(p): (name, p) for name, p in model.named_parameters()}
    return [(name, p.numel() * p.element_size()) for name, p in seen.values()]


def layer_of(name):
    """The decoder layer of a tensor or an attention layer, by its path; None outside of them."""
    found = NUMBERED.search(name) or ANY_NUMBER.search(name)
    return None if found is None or TOWERS.search(name[: found.start()]) else int(found[1])


def kv_specs(config):
    """What each attention layer of the model just built wants of the KV cache."""
    layers = config.compilation_config.static_forward_context.items()
    with set_current_vllm_config(config):
        found = {n: layer.get_kv_cache_spec(config) for n, layer in layers if hasattr(layer, "get_kv_cache_spec")}
    return {name: spec for name, spec in found.items() if spec is not None}


def remembered(name, spec):
    """[layer, kind, bytes, window]: bytes of a token, or of a whole state (kind `linear`)."""
    window = getattr(spec, "sliding_window", None) or getattr(spec, "attention_chunk_size", None)
    if type(spec).__name__ == "MambaSpec":
        sizes = zip(spec.shapes, spec.dtypes, strict=True)
        return [layer_of(name), "linear", sum(torch.Size(s).numel() * d.itemsize for s, d in sizes), None]
    tokens = spec.block_size
    kind = "chunked" if hasattr(spec, "attention_chunk_size") and window else "sliding" if window else "full"
    return [layer_of(name), kind, spec.real_page_size_bytes // tokens, window]


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


def detail(tensors, specs):
    return {
        "tensors": [[layer_of(name), name, size] for name, size in tensors],
        "kv": [remembered(name, spec) for name, spec in specs.items()],
    }


def answer(case):
    case = {**case, "world": case["tensor"] * case["pipeline"]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(_without_empty(case["config"])))
        try:
            know(case["config"])
            config = config_of(folder, case)
            stages, specs, details = [], [], []
            for stage in range(case["pipeline"]):
                tensors = build(config, case, stage)
                stages.append(sum(size for _, size in tensors))
                specs.append(kv_specs(config))
                details.append(detail(tensors, specs[-1]))
        except (NotImplementedError, ImportError, AttributeError, RuntimeError) as error:
            return {"unsupported": f"{type(error).__name__}: {error}"[:400]}
        except Exception as error:  # whatever the engine raises is its refusal
            if "Failed to find a kernel" in str(error):
                return {"unsupported": f"{type(error).__name__}: {error}"[:400]}
            return {"refused": f"{type(error).__name__}: {error}"[:400]}
        states = any(type(spec).__name__ == "MambaSpec" for each in specs for spec in each.values())
        try:
            kv = None if states else kv_cache(config, specs)
        except Exception:  # layouts that only a GPU's platform settles
            kv = None
    kept = [[(kind, size) for _, kind, size, _ in each["kv"]] for each in details]
    found = {
        "stage_bytes": stages,
        "kv_cache": kv,
        "token_bytes": [sum(size for kind, size in each if kind != "linear") for each in kept],
        "state_bytes": [sum(size for kind, size in each if kind == "linear") for each in kept],
    }
    return {**found, "stages": details} if case.get("detail") else found


def main():
    for case in json.load(sys.stdin):
        print("ORACLE " + json.dumps({"name": case["name"], "engine": vllm.__version__, **answer(case)}), flush=True)


main()
