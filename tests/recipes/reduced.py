"""A recipe's settings, reduced to what this computer has: pure, and every change is data with its reason.

What isn't named in a change is the recipe's own: engine, launcher, ports, gateway, arguments, environment, names.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from localcloud.fixtures.model import GGUF_IDS, MODEL_ID
from localcloud.hosts import DEPOT_PORT, ENGINE

MOST_MACHINES = 2
GPUS = {"RTX-3090": ("0x2204", 8, 0), "H20-96GB": ("0x2329", 8, 4)}
"""Of the recipes' machines: PCI device of the GPU, how many a machine has, and its NVSwitches (seed notes)."""
NPU_MODEL = "tandem/tiny-for-npus"
"""The tiny model under a name that the planner doesn't know: it would rightly refuse an NPU's engine on processors."""


@dataclass(frozen=True)
class Here:
    """Where things are on this computer. The defaults stand for any such place, for one digest of the settings.

    Attributes:
        network: first three bytes of the machines' /24; the first machine is .11, this computer .1.
        public: first three bytes of the local cloud's public /24.
        endpoint: the local cloud's API, host:port.
    """

    network: str = "10.89.0"
    public: str = "100.64.79"
    endpoint: str = "127.0.0.1:8602"


@dataclass(frozen=True)
class Change:
    """One setting that differs from the recipe's.

    Attributes:
        setting: its path, as Pulumi writes it.
        value: what stands there instead; None takes it out.
        why: the reason.
    """

    setting: str
    value: Any
    why: str


@dataclass(frozen=True)
class Local:
    """What runs here in the place of an engine's image.

    Attributes:
        name: the program, with its version.
        real: it computes; otherwise it is a stand-in (tests/stand_ins/README.md).
        image: in the depot.
        mounts: what the image's frame is filled with.
        ranks: accelerators of a machine at most; None for as many as the recipe has.
        longest: `maxModelLen` at most; None for the recipe's own.
        drops: arguments it can't take, by how they begin, and why.
        adds: arguments it needs.
        environment: variables it needs.
        program: its name in `localcloud.hosts.PROGRAMS`, for those that have one.
        gpus: it asks for CUDA in no other way than to count the GPUs, which stand-ins show it.
    """

    name: str
    real: bool
    image: str
    mounts: tuple[str, ...]
    ranks: int | None = None
    longest: int | None = None
    drops: Mapping[str, str] = field(default_factory=dict)
    adds: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    program: str | None = None
    gpus: bool = False


def _stand_in(name: str, **more: Any) -> Local:  # the fields of Local
    mounts = (f"{ENGINE}/usr:/usr:ro", f"{ENGINE}/opt/vllm:/opt/vllm:ro", "/opt/tandem/stand-ins:/usr/local/bin:ro")
    path = {"PATH": "/usr/local/bin:/opt/vllm/bin:/usr/bin:/bin", "PYTHONPATH": "/usr/local/bin"}
    return Local(name, real=False, image="stand-in:1", mounts=mounts, environment=path, **more)


LOCAL: Mapping[str, Local] = {
    "vllm": Local(
        "vLLM 0.32.0",
        real=True,
        image="vllm-cpu:0.32.0",
        mounts=(f"{ENGINE}/usr:/usr:ro", f"{ENGINE}/opt/vllm:/opt/vllm:ro"),
        ranks=1,
        longest=512,
        drops={
            "--quantization": "the tiny model's weights are not quantized",
            "--gpu-memory-utilization": "a share of a GPU's memory",
        },
        adds=("--kv-cache-memory-bytes=67108864",),
        environment={"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
    ),
    "llamacpp": Local(
        "llama.cpp b11434",
        real=True,
        image="llamacpp-cpu:b11434",
        mounts=(f"{ENGINE}/usr:/usr:ro", "/opt/tandem/llamacpp:/usr/local/bin:ro"),
        adds=("--threads", "1"),
        program="llamacpp",
    ),
    "ollama": Local(
        "Ollama 0.17.4",
        real=True,
        image="ollama-cpu:0.17.4",
        mounts=(f"{ENGINE}/usr:/usr:ro", "/opt/tandem/ollama:/usr/local/bin:ro"),
        program="ollama",
    ),
    "sglang": _stand_in("SGLang 0.5.23", ranks=2, longest=512),
    "tensorrt-llm": _stand_in("TensorRT-LLM 1.2 and Open MPI 4.1"),
    "vllm-ascend": _stand_in("vllm-ascend 0.23 (Ray 2.60 is real)", ranks=2),
    "vllm-mindspore": _stand_in("vllm-mindspore 0.5 (Ray 2.60 is real)", ranks=2),
}
"""By the engine's name in settings. SGLang's kernels for processors aren't on the package index."""

GPU_FILES = "/opt/fake-sys:/opt/fake-sys:ro"
WHOLE: Mapping[str, Local] = {
    name: replace(_stand_in(what, gpus=True), mounts=(*_stand_in(what).mounts, GPU_FILES))
    for name, what in (
        ("llamacpp", "llama.cpp b11434"),
        ("ollama", "Ollama 0.17.4"),
        ("sglang", "SGLang 0.5.23"),
        ("tensorrt-llm", "TensorRT-LLM 1.2 and Open MPI 4.1"),
        ("vllm", "vLLM 0.33 (Ray 2.60 is real)"),
    )
}
"""Engines that come up in a recipe's own shape: all its machines, with as many GPUs as each has."""


def has_whole_shape(config: Mapping[str, Any]) -> bool:
    """Whether this computer can show a recipe's own shape: GPUs in machines that are there, with Docker."""
    own = config["platform"] == "hosts" and not _native(config)
    return own and config["accelerator"].get("gpu") in GPUS and config["serving"]["engine"] in WHOLE


@dataclass(frozen=True)
class Reduced:
    """A recipe as it comes up here.

    Attributes:
        config: its settings, without the project's name before them.
        changes: all that differs from the recipe's file.
        local: what runs in its engine's place.
        weights: folder of the storage that its head has filled by hand, and the depot's model for it.
    """

    config: dict[str, Any]
    changes: tuple[Change, ...]
    local: Local
    weights: tuple[str, str] | None

    @property
    def digest(self) -> str:
        """Of the settings: another one and what came up was another recipe."""
        return hashlib.sha256(json.dumps(self.config, sort_keys=True).encode()).hexdigest()[:16]


def reduce(config: Mapping[str, Any], here: Here | None = None, *, whole: bool = False) -> Reduced:
    """A recipe's settings for machines of this computer.

    Args:
        config: the recipe's.
        here: where things are.
        whole: in its own shape, with a stand-in of its engine (`WHOLE`).
    """
    here = here or Here()
    local = (WHOLE if whole else LOCAL)[config["serving"]["engine"]]
    changes = (
        *(_cloud(config, here) if config["platform"] == "alicloud" else _machines(config, here, whole)),
        *_accelerators(config, local),
        *_model(config, here, local),
        *_serving(config, local),
        *_images(config, local, here),
    )
    reduced: dict[str, Any] = copy.deepcopy(dict(config))
    for change in changes:
        _apply(reduced, change.setting.split("."), change.value)
    model = config["model"]
    by_hand = (reduced["model"]["id"], _files_of(config)) if model["source"] == "path" else None
    return Reduced(reduced, changes, local, by_hand)


def _machines(config: Mapping[str, Any], here: Here, whole: bool) -> list[Change]:
    kept = config["machines"] if whole else config["machines"][:MOST_MACHINES]
    machines = [{**each, "address": f"{here.network}.{11 + n}"} for n, each in enumerate(kept)]
    return [
        Change("machines", machines, f"machines of this computer{'' if whole else f', {MOST_MACHINES} at most'}"),
        Change("ssh.privateKeyFile", "$TANDEM_STATE/machines/id_ed25519", "their key"),
        Change("ssh.knownHostsFile", "$TANDEM_STATE/machines/known_hosts", "their host keys"),
        *([] if _native(config) else [Change("storage.server", "nas", "this computer's shared folder")]),
    ]


def _native(config: Mapping[str, Any]) -> bool:
    return config.get("runtime") == "native"


def _cloud(config: Mapping[str, Any], here: Here) -> list[Change]:
    places = [{**each, "instanceType": "ecs.g7.large"} for each in config["cloud"]["candidates"]]
    return [
        Change("cloud.endpoint", here.endpoint, "the local cloud"),
        Change("cloud.candidates", places, "a machine without GPU; the zones are the recipe's"),
        Change("cloud.adminCidrs", [f"{here.public}.1/32"], "outside of the local cloud: this computer"),
        Change("cloud.image", "^debian_12", "the system that local machines boot"),
        Change("cloud.vpcCidr", "172.22.0.0/16", "beside networks of other local stacks"),
        Change("ssh.privateKeyFile", "$TANDEM_STATE/alicloud/id_ed25519", "a key of its own"),
    ]


def _accelerators(config: Mapping[str, Any], local: Local) -> list[Change]:
    accelerator, serving = config["accelerator"], config["serving"]
    if local.gpus:
        return []
    cloud = config.get("cloud")
    machines = min(cloud["machines"] if cloud else len(config["machines"]), MOST_MACHINES)
    each = min(accelerator["perMachine"], local.ranks or accelerator["perMachine"])
    changes = [Change("accelerator.kind", "cpu", "no GPU and no NPU is here")]
    changes += [
        Change(f"accelerator.{name}", None, "belongs to the GPUs and machines that are not here")
        for name in ("gpu", "devices", "hostMemoryGib")
        if name in accelerator
    ]
    if each != accelerator["perMachine"]:
        changes.append(Change("accelerator.perMachine", each, "ranks that two processor cores carry"))
    tensor, pipeline = serving["tensorParallelSize"], serving.get("pipelineParallelSize", 1)
    world = machines * each
    # Layers stay whole where they were; a pipeline goes from machine to machine; otherwise tensors span all.
    split = (1, world) if tensor == 1 else (world // machines, machines) if pipeline > 1 else (world, 1)
    for name, old, new in zip(("tensor", "pipeline"), (tensor, pipeline), split, strict=True):
        if old != new:
            changes.append(Change(f"serving.{name}ParallelSize", new, "the same shape over fewer ranks"))
    return changes


def _files_of(config: Mapping[str, Any]) -> str:
    """The depot's model whose files this engine reads."""
    match config["serving"]["engine"]:
        case "llamacpp":
            return GGUF_IDS[2]
        case "ollama":
            return GGUF_IDS[1]
        case "vllm-ascend":
            return NPU_MODEL
    return MODEL_ID


def _model(config: Mapping[str, Any], here: Here, local: Local) -> list[Change]:
    model = config["model"]
    if model["source"] == "path":
        # The tiny model lies in the recipe's own folder, unless that is a name that the planner knows.
        named = {"vllm-mindspore": "models/tiny-for-npus", "llamacpp": "models/tiny", "ollama": "models/tiny"}
        why = "the planner would rightly refuse the real one on processors"
        name = None if local.gpus else named.get(config["serving"]["engine"])
        return [Change("model.id", name, why)] if name else []
    hub = {"huggingface": "hf", "modelscope": "modelscope"}[model["source"]]
    depot = f"{here.public if 'cloud' in config else here.network}.1:{DEPOT_PORT}"
    return [
        *([] if local.gpus else [Change("model.id", _files_of(config), "random weights of 2 MiB")]),
        *(
            []
            if model.get("servedName")
            else [Change("model.servedName", _served(model), "as the recipe's model.id says")]
        ),
        Change("model.endpoint", f"http://{depot}/{hub}", "this computer's hub"),
        Change("model.keep", value=False, why="what destroy leaves is looked for, weights too"),
    ]


def _served(model: Mapping[str, Any]) -> str:
    return str(model.get("servedName") or model["id"].rsplit("/", 1)[-1].lower())


def _serving(config: Mapping[str, Any], local: Local) -> list[Change]:
    serving, changes = config["serving"], []
    if local.gpus:
        changes.append(
            Change("serving.collective", value=False, why="the GPUs that machines show here compute nothing")
        )
    if local.longest and serving.get("maxModelLen", math.inf) > local.longest:
        changes.append(Change("serving.maxModelLen", local.longest, "the tiny model's"))
    given: Sequence[str] = serving.get("arguments", ())
    dropped = {word: why for word in given for start, why in local.drops.items() if word.startswith(start)}
    if dropped or local.adds:
        whys = [f"without {word}: {why}" for word, why in dropped.items()]
        whys += [f"with {' '.join(local.adds)}: two cores and little memory"] if local.adds else []
        kept = [*(word for word in given if word not in dropped), *local.adds]
        changes.append(Change("serving.arguments", kept, "; ".join(whys)))
    # Without containers, the machine's own environment has the program (landlord.sh).
    more = {} if _native(config) else dict(local.environment)
    if serving["engine"] == "tensorrt-llm":
        more["STAND_IN_SERVED"] = _served(config["model"])
    if more:
        both = {**serving.get("environment", {}), **more}
        changes.append(Change("serving.environment", both, f"with {', '.join(more)}: for what runs in its place"))
    return changes


def _images(config: Mapping[str, Any], local: Local, here: Here) -> list[Change]:
    depot = f"{here.public if 'cloud' in config else here.network}.1:{DEPOT_PORT}"
    what = "its build for processors" if local.real else "a stand-in"
    index = Change("mirrors.pip", f"http://{depot}/pypi/simple", "this computer's package index")
    if _native(config):
        return [Change("native.python", "/opt/rented/bin/python3", f"has {local.name}: {what}"), index]
    return [
        Change("images.engine", f"{depot}/tandem/{local.image}", f"{local.name}: {what}"),
        *([Change("images.diskGib", 1, "an image here is a frame")] if local.gpus else []),
        Change("images.gateway", f"{depot}/tandem/gateway:2.11.7", "Caddy's own binary, which no registry has here"),
        Change("images.mounts", list(local.mounts), "images here are frames around what machines have"),
        index,
        Change("mirrors.insecureRegistries", [depot], "this computer's registry"),
    ]


def _apply(config: dict[str, Any], path: Sequence[str], value: object) -> None:
    for part in path[:-1]:
        config = config.setdefault(part, {})
    config.pop(path[-1], None)
    if value is not None:
        config[path[-1]] = value
