"""The plan before anything is created: does it fit, what does it cost, when does it answer; else a refusal.

The planner (planner/) knows nothing of settings: here they become its request, and its refusals settings' own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import pulumi

from components.serving import EngineName
from planner import (
    PARTITION,
    Cluster,
    Engine,
    Installs,
    ModelEntry,
    Plan,
    PlanRequest,
    Refusal,
    Start,
    Unplanned,
    check_model_split,
    counted_flags,
    device,
    find_model,
    from_flags,
    gguf_model,
    llamacpp_flags,
    ollama_parameters,
    owned,
    plan,
    processors,
    render,
    rented,
    uneven,
)
from stacks import versions
from stacks.remedies import explain, stack_changes
from stacks.setting_names import in_settings
from stacks.settings.engine_words import vllm_words
from stacks.settings.errors import SettingsError
from stacks.settings.executor import engine_source, engine_version
from stacks.settings.stack import Settings
from stacks.uncounted_flags import uncounted

CATALOG = "planner/catalog/data"
OWN_MEMORY_MIB = 64 * 1024
"""MiB of a machine without accelerators whose memory nobody names; a plan on it says that it is assumed."""

OF_MEMORY = ("weights_too_large", "no_kv_memory", "context_does_not_fit", "too_little_concurrency")
"""Refusals that what isn't counted could have prevented."""

COUNTED_AS: dict[EngineName, Engine] = {
    "vllm": Engine.VLLM,
    "sglang": Engine.SGLANG,
    "llamacpp": Engine.LLAMACPP,
    "ollama": Engine.OLLAMA,
    "vllm-ascend": Engine.VLLM_ASCEND,
    "vllm-mindspore": Engine.VLLM_ASCEND,
    "tensorrt-llm": Engine.TENSORRT_LLM,
}
"""The planner's engine for each of the stacks'."""


def plan_for(settings: Settings) -> Plan | None:
    """The plan of the settings' own split; None where too little is known (`unplanned` says what to give).

    Raises:
        SettingsError: it can't work; which setting, why, and the nearest value that does.
    """
    return _planned(settings)[0]


def unplanned(settings: Settings) -> str | None:
    """Why the deployment isn't planned and what to give so that it is, as one sentence; None where it is, or can't be.

    Nothing that isn't known is a mistake: a GPU, a model or an engine's flag that the planner lacks is reported here.
    """
    try:
        missing = _planned(settings)[1]
    except SettingsError:
        return None
    return None if missing is None else in_settings(missing, rented=settings.cloud is not None)


def _planned(settings: Settings) -> tuple[Plan, None] | tuple[None, Unplanned]:
    """The plan, or why there is none.

    Raises:
        SettingsError: it can't work.
    """
    try:
        requests, notes = plan_requests(settings)
        found, *_ = [_plan(request, settings) for request in requests]  # all of them must work
    except Unplanned as missing:
        return None, missing
    except Refusal as refusal:
        raise SettingsError(explain(refusal, settings), stack_changes(refusal, settings)) from None
    return replace(found, notes=(*found.notes, *notes), why=settings.why or found.why), None


def _plan(request: PlanRequest, settings: Settings) -> Plan:
    """One request's plan.

    Raises:
        Refusal: it can't work.
        Unplanned: it is too large only without what isn't counted.
    """
    try:
        return plan(request)
    except Unplanned:
        raise
    except Refusal as refusal:
        less = uncounted(settings)[0]
        if refusal.code not in OF_MEMORY or not less:
            raise
        raise Unplanned(
            "serving.arguments",
            f"{', '.join(less)} changes memory in a way that isn't counted, and without it {refusal.reason}",
            "watch the engine's own words of what is left for the KV cache",
        ) from None


def announce(settings: Settings, found: Plan | None) -> dict[str, pulumi.Output[object]]:
    """Shows the plan, and gives the outputs `plan` and `pricePerHour`; a warning and none where there is no plan."""
    if found is None:
        pulumi.log.warn(settings.secrecy.redacted(f"not planned: {unplanned(settings)}"))
        return {}
    # A line a message: without a terminal, Pulumi shows of each only its first line at once, before all resources.
    for line in filter(None, render(found).splitlines()):
        pulumi.log.info(settings.secrecy.redacted(line))
    outputs = {"plan": summary(found)}
    if found.price:
        outputs["pricePerHour"] = f"CNY {found.price:.2f} ({found.cluster.priced})"
    return {name: pulumi.Output.from_input(value) for name, value in outputs.items()}


def summary(found: Plan) -> str:
    """A plan in one line, the same for every `pulumi up` of the same settings."""
    return (
        f"{found.estimate.summary(found.cluster.words)}, first token after about {found.timeline.seconds / 60:.0f} min"
    )


def plan_requests(settings: Settings) -> tuple[list[PlanRequest], tuple[str, ...]]:
    """One request for each kind of machine that may be rented, the likeliest first; and notes for the plan's reader.

    Raises:
        Refusal: the settings can't be.
        Unplanned: the settings aren't enough.
    """
    serving, engine = settings.serving, COUNTED_AS[settings.serving.engine]
    model = _model(settings, engine)
    version, notes = _version(settings, engine)
    request = PlanRequest(
        model=model,
        clusters=(),
        engine=engine,
        engine_version=version,
        arguments=_arguments(settings, engine),
        tensor_parallel_size=serving.tensor_parallel_size,
        pipeline_parallel_size=serving.pipeline_parallel_size,
        data_parallel_size=serving.data_parallel_size,
        choose_data_parallel=not {"data_parallel_size", "expert_parallel"} & serving.model_fields_set,
        concurrency=serving.concurrency or 1.0,
        streams=serving.concurrency,
        start=_start(settings),
        partition=_partition(settings),
        whole=not engine.offloads,
    )
    try:
        clusters = _clusters(settings)
    except Unplanned:
        if not engine.offloads and request.tensor_parallel_size is not None:
            check_model_split(request, settings.world_size)
        raise
    less, more = uncounted(settings)
    notes += [f"{flag} changes memory in a way that isn't counted" for flag in less]
    notes += [f"{flag} brings more into memory, which isn't counted" for flag in more]
    return [replace(request, clusters=(cluster,)) for cluster in clusters], tuple(notes)


def _version(settings: Settings, engine: Engine) -> tuple[str, list[str]]:
    """vLLM's version whose rules count, and a note where nobody said which it is."""
    if engine is not Engine.VLLM:
        return versions.DERIVED_VLLM, []
    source = engine_source(settings)
    found = engine_version(source)
    if found is not None:
        return ".".join(map(str, found)), []
    what = f"images.engine {source} names" if settings.runtime == "docker" else "native.python tells"
    return versions.UNKNOWN_VLLM, [f"{what} no version: counted by the rules of vLLM {versions.UNKNOWN_VLLM}"]


def _arguments(settings: Settings, engine: Engine) -> dict[str, str]:
    """The engine's own words that decide memory, by the planner's names."""
    serving = settings.serving
    if engine is Engine.LLAMACPP:
        arguments = llamacpp_flags(serving.arguments)
    elif engine is Engine.OLLAMA:
        arguments = ollama_parameters(serving.arguments)
    else:
        arguments, _ = from_flags((*vllm_words(settings), *serving.arguments), counted_flags(engine))
    if engine.offloads and settings.accelerator.kind == "cpu":
        # Builds for processors have no devices to put layers on.
        arguments |= {"gpu_layers": "0", "num_gpu": "0"}
    if serving.expert_parallel:
        arguments["enable_expert_parallel"] = "true"
    if serving.max_model_len is not None:
        arguments["max_model_len"] = str(serving.max_model_len)
    space = serving.environment.get("VLLM_CPU_KVCACHE_SPACE", "")
    if settings.accelerator.kind == "cpu" and space.isascii() and space.isdigit() and int(space):
        arguments.setdefault("kv_cache_memory_bytes", str(int(space[:9]) * 2**30))
    return arguments


def _partition(settings: Settings) -> tuple[int, ...] | None:
    """Layers of each stage, where vLLM has them set.

    Raises:
        Refusal: `bad_partition`: it isn't a list of numbers.
    """
    text = settings.serving.environment.get(PARTITION, "").strip()
    if not text or settings.serving.engine not in ("vllm", "vllm-ascend", "vllm-mindspore"):
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part[:6]) > 0 for part in parts):
        raise Refusal("bad_partition", PARTITION, f"is {text[:60]!r}", "give layers of each stage, such as 20,20")
    return tuple(int(part[:6]) for part in parts)


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
        early=cloud.prepare_minutes * 60 if cloud.create_machines == "early-start" else 0.0,
    )


def _installs(settings: Settings) -> Installs:
    if settings.runtime == "docker":
        return "containers"
    executor = settings.serving.executor or "mp"
    return "packages" if settings.native.requirements(settings.serving.engine, executor) else "nothing"


def _model(settings: Settings, engine: Engine) -> ModelEntry:
    """The model by its config, or by the catalog's name of it.

    Raises:
        Refusal: its config can't be read.
        Unplanned: it isn't known.
    """
    model = settings.model
    shapes = _read(model.config) if model.config is not None else None
    if engine.offloads:
        return gguf_model(model.id.removesuffix(".git"), model.files, shapes.model if shapes else None)
    if shapes is not None:
        return shapes
    try:
        # Only names: a path of the same text would be one on the machines.
        return find_model(model.id) if not model.id.startswith((".", "/", "~")) else _unknown(settings)
    except Unplanned:
        raise
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
            "config_unreadable",
            "config",
            f"{path[:100]!r} is neither a config.json nor a folder that holds one",
            "download the model's config.json and give its path",
        )
    return find_model(full)


def _unknown(settings: Settings) -> NoReturn:
    raise Unplanned(
        "config",
        f"the planner's catalog has no {settings.model.id}",
        "give the path of its config.json, so that "
        "memory, split, price and time are checked before anything is created",
    )


def _clusters(settings: Settings) -> list[Cluster]:
    """The machines; those of every kind that may be rented.

    Raises:
        Refusal: they haven't what the settings count on.
        Unplanned: the catalog lacks them, or nobody named them.
    """
    accelerator = settings.accelerator
    if settings.cloud is None:
        memory = None if accelerator.host_memory_gib is None else accelerator.host_memory_gib * 2**30
        return [replace(_owned(settings), host_memory=memory)]
    found = []
    for kind in dict.fromkeys(candidate.instance_type for candidate in settings.cloud.candidates):
        try:
            cluster = rented(kind, len(settings.accelerators), ranks=accelerator.per_machine)
        except Refusal as refusal:
            if refusal.code != "unknown_instance_type":
                raise
            raise Unplanned(
                "cloud.candidates",
                f"the planner's catalog has no {kind}",
                f"write a line for it in {CATALOG}/machines.yaml",
            ) from None
        _check_accelerators(settings, cluster)
        found.append(replace(cluster, per_machine=accelerator.per_machine))
    return found


def _owned(settings: Settings) -> Cluster:
    """Machines of one's own, each with its own number and kind of accelerators."""
    accelerator, counts = settings.accelerator, settings.accelerators
    if accelerator.kind == "cpu":
        memory = OWN_MEMORY_MIB if accelerator.host_memory_gib is None else accelerator.host_memory_gib * 1024
        cluster = processors(memory, max(counts), len(counts))
        return replace(cluster, counts=counts) if len(set(counts)) > 1 else cluster
    if any(name.startswith("MIG-") for devices in settings.devices for name in devices):
        raise Unplanned(
            "accelerator.devices",
            "names MIG slices, whose memory the planner doesn't know, and of which CUDA shows a process only the first",
            "one slice a machine is what an engine can use",
        )
    named = [machine.gpu or accelerator.gpu for machine in settings.machines]
    names = [name for name in named if name is not None]
    if len(names) < len(named):
        raise Unplanned(
            "accelerator.gpu",
            "machines of one's own don't tell their GPU before `pulumi up`",
            "name it, such as L20 or RTX-4090, so that memory and split are checked before anything is changed",
        )
    try:
        if len(set(names)) == 1 and len(set(counts)) == 1:
            return owned(names[0], counts[0], len(counts))
        return uneven(list(zip(counts, names, strict=True)))
    except Refusal as refusal:
        if refusal.code != "unknown_gpu":
            raise
        reason = f"the planner's catalog has no {_missing(names)}"
        raise Unplanned("gpu", reason, refusal.otherwise, refusal.changes) from None


def _missing(names: Sequence[str]) -> str:
    """The first GPU that the catalog lacks."""
    for name in names:
        try:
            device(name)
        except Refusal:
            return name[:60]
    return ""


def _check_accelerators(settings: Settings, cluster: Cluster) -> None:
    """The instance type has what the settings count on.

    Raises:
        Refusal: `wrong_kind` or `too_few_accelerators`.
    """
    accelerator, has_gpus = settings.accelerator, cluster.device.name != "cpu"
    if has_gpus != (accelerator.kind != "cpu"):
        has = f"has {cluster.per_machine} x {cluster.device.name}" if has_gpus else "has no GPU"
        remedy = f"set it to {'nvidia' if has_gpus else 'cpu'}, or choose another instance type"
        raise Refusal("wrong_kind", "accelerator.kind", f"is {accelerator.kind}, and {cluster.name} {has}", remedy)
    if has_gpus and accelerator.per_machine != cluster.per_machine:
        raise Refusal(
            "wrong_count",
            "perMachine",
            f"is {accelerator.per_machine}, and {cluster.name} has {cluster.per_machine} x {cluster.device.name}",
            f"set it to {cluster.per_machine}, or choose another instance type",
        )
