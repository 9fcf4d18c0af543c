"""The plan before anything is created: does it fit, what does it cost, when does it answer; else a refusal.

The planner (planner/) knows nothing of settings: here they become its request, and its refusals settings' own.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace

import pulumi

from components.serving import EngineName
from planner import Cluster, Plan, PlanRequest, Refusal, Start, find_model, owned, plan, processors, rented
from planner.arguments import from_flags
from planner.catalog import ModelEntry, catalog_model
from planner.plan import Engine
from planner.timeline import Installs
from stacks.schema import Settings
from stacks.settings import SettingsError

CATALOG = "planner/data"
OWN_MEMORY_MIB = 64 * 1024
"""MiB of a machine without accelerators whose memory nobody names; a plan on it says that it is assumed."""

RULES = "0.24.0"
"""vLLM's version whose rules count for engines that have theirs from it."""

COUNTED_AS: dict[EngineName, Engine] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llamacpp",
    "ollama": "ollama",
    "vllm-ascend": "vllm-ascend",
    "vllm-mindspore": "vllm-ascend",
}
"""The planner's engine for each of the stacks' that it can count."""

PATHS = {
    "tensor_parallel_size": "serving.tensorParallelSize",
    "pipeline_parallel_size": "serving.pipelineParallelSize",
    "max_model_len": "serving.maxModelLen",
    "engine_version": "images.engine",
    "engine": "serving.engine",
    "model": "model.id",
    "config": "model.config",
    "instanceType": "cloud.candidates",
    "perMachine": "accelerator.perMachine",
    "storage.class": "cloud.nas.storageClass",
    "devices": "accelerator.perMachine",
}
"""The planner's names of settings, and where a stack has them."""


def plan_for(settings: Settings) -> Plan | None:
    """The plan of the settings' own split; None where the planner isn't told enough (`unplanned` says what to give).

    Raises:
        SettingsError: it can't work; which setting, why, and the nearest value that does.
    """
    try:
        requests = _requests(settings)
        if isinstance(requests, str):
            return None
        plans = [plan(request) for request in requests]
    except Refusal as refusal:
        raise SettingsError(_explain(refusal, settings)) from None
    return plans[0]


def unplanned(settings: Settings) -> str | None:
    """What to give so that the deployment can be planned, as one sentence; None where nothing is missing."""
    try:
        requests = _requests(settings)
    except Refusal:
        return None
    return requests if isinstance(requests, str) else None


def announce(settings: Settings) -> dict[str, pulumi.Output[object]]:
    """Shows the plan, and gives the outputs `plan` and `pricePerHour`; a warning and none where there is no plan.

    Raises:
        SettingsError: as `plan_for`.
    """
    found = plan_for(settings)
    if found is None:
        pulumi.log.warn(f"not planned: {unplanned(settings)}")
        return {}
    # A line a message: without a terminal, Pulumi shows of each only its first line at once, before all resources.
    for line in filter(None, found.render().splitlines()):
        pulumi.log.info(line)
    outputs = {"plan": summary(found)}
    if found.price:
        outputs["pricePerHour"] = f"CNY {found.price:.2f} ({found.cluster.priced})"
    return {name: pulumi.Output.from_input(value) for name, value in outputs.items()}


def summary(found: Plan) -> str:
    """A plan in one line, the same for every `pulumi up` of the same settings."""
    split, cluster = found.split, found.cluster
    text = f"TP{split.tensor} x PP{split.pipeline} on {cluster.accelerators} x {cluster.device.name}"
    text += f" ({cluster.machines} x {cluster.name})"
    if found.memory is not None:
        text += f", {found.memory.max_concurrency:.1f} requests of {found.memory.max_model_len:,} tokens at once"
    return f"{text}, first token after about {found.timeline.seconds / 60:.0f} min"


def _requests(settings: Settings) -> list[PlanRequest] | str:
    """One request for each kind of machine that may be rented, the likeliest first; or what is missing.

    Raises:
        Refusal: what is told can't be.
    """
    model = _model(settings)
    clusters = _clusters(settings)
    if isinstance(model, str):
        return model
    if isinstance(clusters, str):
        return clusters
    serving, engine = settings.serving, COUNTED_AS.get(settings.serving.engine)
    if engine is None:
        return f"serving.engine: the planner can't count {serving.engine}; its own documentation says what fits"
    arguments, _ = from_flags(serving.arguments)
    if serving.max_model_len is not None:
        arguments["max_model_len"] = str(serving.max_model_len)
    space = serving.environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    if settings.accelerator.kind == "cpu" and space.isascii() and space.isdigit() and int(space):
        arguments.setdefault("kv_cache_memory_bytes", str(int(space[:9]) * 2**30))
    request = PlanRequest(
        model=model,
        clusters=(),
        engine=engine,
        engine_version=_engine_version(_engine_source(settings)) if engine == "vllm" else RULES,
        arguments=arguments,
        tensor_parallel_size=serving.tensor_parallel_size,
        pipeline_parallel_size=serving.pipeline_parallel_size,
        start=_start(settings),
    )
    return [replace(request, clusters=(cluster,)) for cluster in clusters]


def _start(settings: Settings) -> Start:
    """What there is already, and how fast things go."""
    cloud, ready = settings.cloud, settings.model.source == "path"
    if cloud is None:
        local = settings.accelerator.kind == "cpu"
        return Start(
            "local" if local else "rented", weights_ready=ready, machines_ready=True, installs=_installs(settings)
        )
    storage = "extreme" if cloud.nas.type == "extreme" else cloud.nas.storage_class.lower()
    return Start(
        # Another API than Alibaba Cloud's own is the local cloud's.
        place="local" if cloud.endpoint else "rented",
        # No figures of Premium's bandwidth are published: not slower than Performance.
        storage_class="performance" if storage == "premium" else storage,
        download_bytes_per_second=cloud.fetcher.bandwidth_mbps / 8 * 1e6,
        weights_ready=ready,
        early=cloud.prepare_minutes * 60 if cloud.create_machines == "weights-nearly" else 0.0,
    )


def _installs(settings: Settings) -> Installs:
    if settings.runtime == "docker":
        return "containers"
    return "packages" if settings.native.requirements(settings.serving.engine, settings.serving.executor) else "nothing"


def _model(settings: Settings) -> ModelEntry | str:
    """The model by its config, or by the catalog's name of it; or what is missing."""
    told = settings.model
    if told.config is not None:
        return _read(told.config)
    try:
        # Only names: a path of the same text would be one on the machines.
        return find_model(told.id) if not told.id.startswith((".", "/", "~")) else _unknown(settings)
    except Refusal as refusal:
        if refusal.code not in ("unknown_model", "config_unreadable"):
            raise
        return _unknown(settings)


def _read(path: str) -> ModelEntry:
    """The model of a config.json.

    Raises:
        Refusal: there is none, or the planner can't count it.
    """
    # Unlike Path.expanduser, this takes any text.
    full = os.path.expanduser(path)  # noqa: PTH111
    if not full.endswith(".json") and not os.path.isdir(full):  # noqa: PTH112
        raise Refusal(
            "config_unreadable", "config", f"{path[:100]!r} is neither a config.json nor a folder that holds one",
            "download the model's config.json and give its path",
        )  # fmt: skip
    return find_model(full)


def _unknown(settings: Settings) -> str:
    return (
        f"model.config: the planner's catalog has no {settings.model.id}; give the path of its config.json, so that "
        "memory, split, price and time are checked before anything is created"
    )


def _clusters(settings: Settings) -> list[Cluster] | str:
    """The machines; those of every kind that may be rented."""
    accelerator, count = settings.accelerator, len(settings.accelerators)
    if settings.cloud is None:
        per_machine = max(settings.accelerators)
        if accelerator.kind == "cpu":
            return [processors(OWN_MEMORY_MIB, per_machine, count)]
        if accelerator.gpu is None:
            return (
                "accelerator.gpu: machines of one's own don't tell their GPU before `pulumi up`; name it, such as "
                "L20 or RTX-4090, so that memory and split are checked before anything is changed"
            )
        return [owned(accelerator.gpu, per_machine, count)]
    found = []
    for kind in dict.fromkeys(candidate.instance_type for candidate in settings.cloud.candidates):
        try:
            cluster = rented(kind, count, ranks=accelerator.per_machine)
        except Refusal as refusal:
            if refusal.code != "unknown_instance_type":
                raise
            return (
                f"cloud.candidates: the planner's catalog has no {kind}; write a line for it in {CATALOG}/machines.yaml"
            )
        _check_accelerators(settings, cluster)
        found.append(replace(cluster, per_machine=accelerator.per_machine))
    return found


def _check_accelerators(settings: Settings, cluster: Cluster) -> None:
    """The instance type has what the settings count on.

    Raises:
        Refusal: `wrong_kind` or `too_few_accelerators`.
    """
    told, has_gpus = settings.accelerator, cluster.device.name != "cpu"
    if has_gpus != (told.kind != "cpu"):
        has = f"has {cluster.per_machine} x {cluster.device.name}" if has_gpus else "has no GPU"
        remedy = f"set it to {'nvidia' if has_gpus else 'cpu'}, or choose another instance type"
        raise Refusal("wrong_kind", "accelerator.kind", f"is {told.kind}, and {cluster.name} {has}", remedy)
    if has_gpus and told.per_machine != cluster.per_machine:
        raise Refusal(
            "wrong_count", "perMachine", f"is {told.per_machine}, and {cluster.name} has {cluster.per_machine} x "
            f"{cluster.device.name}", f"set it to {cluster.per_machine}, or choose another instance type",
        )  # fmt: skip


def _engine_source(settings: Settings) -> str:
    """The engine's image, or what pip is asked for, written as one."""
    if settings.runtime == "docker":
        return settings.engine_image
    asked = settings.native.requirements(settings.serving.engine, settings.serving.executor)
    return next((text.replace("==", ":") for text in asked if text.startswith("vllm")), "")


def _engine_version(image: str) -> str:
    """The version that an image's tag names; the newest the planner knows where it names none."""
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    found = re.search(r"\d+\.\d+\.\d+", tag)
    return found[0] if found else "0.33.0"


def _explain(refusal: Refusal, settings: Settings) -> str:
    """A refusal in the words of a stack's settings."""
    remedy = refusal.remedy
    for change in refusal.changes:
        name, value = re.escape(change.setting), re.escape(str(change.value))
        works = catalog_model(str(change.value)).hub_id if change.setting == "model" else change.value
        remedy = re.sub(rf"\b{name}( to)? {value}\b", rf"{_path(change.setting, settings)}\1 {works}", remedy)
    remedy = re.sub(r"\b(tensor_parallel_size|pipeline_parallel_size|max_model_len)\b", lambda m: PATHS[m[1]], remedy)
    told = f"{_path(refusal.setting, settings)}: {refusal.reason}; {remedy}"
    return f"this can't work; nothing was created or changed:\n  {told}"


def _path(name: str, settings: Settings) -> str:
    """Where a stack has what the planner names."""
    if name in ("machines", "nodes"):
        return "cloud.machines" if settings.cloud else "machines"
    if name == "gpu":
        return "cloud.candidates" if settings.cloud else "accelerator.gpu"
    if name in PATHS:
        return PATHS[name]
    if name.startswith(("config.json", "quantization_config")):
        return f"model.config: {name}"
    if re.fullmatch(r"[a-z]+(_[a-z]+)+|dtype|quantization", name):
        return f"serving.arguments: --{name.replace('_', '-')}"
    return name
