"""The engine, its split and its image on these machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from components.serving import find_engine
from planner import Refusal, check_processor_experts, nearest_split
from stacks import versions
from stacks.setting_names import in_settings, setting_path
from stacks.settings.errors import Mistake
from stacks.settings.serving import ServingSettings
from stacks.settings.stack import Settings


def split_mistakes(settings: Settings) -> Iterator[Mistake]:
    """The split uses every accelerator."""
    if settings.serve_args.world_size != settings.world_size:
        yield _nearest(settings)


def engine_mistakes(settings: Settings) -> Iterator[Mistake]:
    """The engine runs on these accelerators, split so."""
    serving = settings.serving
    engine = find_engine(serving.engine, serving.executor)
    try:
        engine.check(settings.serve_args, settings.accelerators)
        if settings.accelerator.kind == "cpu" and serving.engine == "vllm" and serving.expert_parallel:
            # Whatever the model: the planner, which knows of experts, says the same of data parallel ranks alone.
            check_processor_experts(
                settings.serve_args.pipeline_parallel_size, settings.serve_args.data_parallel_size, expert_parallel=True
            )
    except Refusal as refusal:
        yield _refused(settings, refusal)
    if settings.accelerator.kind != "cpu" and (settings.accelerator.kind == "ascend") != serving.engine.endswith(
        ("-ascend", "-mindspore")
    ):
        yield Mistake(
            f"serving.engine: {serving.engine} does not run on accelerator.kind {settings.accelerator.kind}; "
            "vllm-ascend and vllm-mindspore are for ascend, the others for nvidia"
        )


def image_mistakes(settings: Settings) -> Iterator[Mistake]:
    """The image is none of another engine."""
    given = (settings.images.engine or "").partition("@")[0].partition(":")[0]
    for engine, image in versions.ENGINE_IMAGES.items():
        if settings.runtime == "docker" and given == image.partition(":")[0] and engine != settings.serving.engine:
            yield Mistake(
                f"images.engine: {settings.images.engine} is {engine}'s, and serving.engine is "
                f"{settings.serving.engine}; take it out, which means {settings.own_image}, or set serving.engine to "
                f"{engine}"
            )


def _refused(settings: Settings, refusal: Refusal) -> Mistake:
    """An engine's refusal in the words of a stack's settings."""
    if refusal.code == "uneven_machines" and "executor" not in [change.setting for change in refusal.changes]:
        return _uneven(settings, refusal)
    rented = settings.cloud is not None
    known = {f"serving.{field.alias}" for field in ServingSettings.model_fields.values()}
    paths = {setting_path(change.setting, rented=rented): change.value for change in refusal.changes}
    changes = {path: value for path, value in paths.items() if path in known}
    return Mistake(in_settings(refusal, rented=rented), changes)


def _uneven(settings: Settings, refusal: Refusal) -> Mistake:
    """Machines with different numbers of accelerators, and a launcher that can't: as many of each."""
    least = min(settings.accelerators)
    changes: dict[str, object] = {}
    for number, (count, devices) in enumerate(zip(settings.accelerators, settings.devices, strict=True)):
        if count > least:
            changes[f"machines[{number}].accelerators"] = least
            if devices:
                changes[f"machines[{number}].devices"] = list(devices[:least])
    return Mistake(
        f"machines: {refusal.reason}; set accelerators of each machine to {least}, with pipelineParallelSize or "
        "tensorParallelSize for them",
        changes,
    )


def _nearest(settings: Settings) -> Mistake:
    """The split is none of these machines; the nearest that is, and that their launcher can start."""
    engine, wanted = find_engine(settings.serving.engine, settings.serving.executor), settings.serve_args
    world = settings.world_size

    def check(data: int) -> Callable[[int, int], None]:
        def starts(tensor: int, pipeline: int) -> None:
            split = replace(
                wanted, tensor_parallel_size=tensor, pipeline_parallel_size=pipeline, data_parallel_size=data
            )
            engine.check(split, settings.accelerators)

        return starts

    tp, pp, dp = wanted.tensor_parallel_size, wanted.pipeline_parallel_size, wanted.data_parallel_size
    sizes = [n for n in range(min(dp, world), 0, -1) if world % n == 0]
    found = ((nearest_split(tp, pp, world // data, check(data)), data) for data in sizes)
    works, data = next(((split, data) for split, data in found if split), (None, 1))
    if works is None:
        works = nearest_split(tp, pp, world) or (1, world)
        try:
            check(1)(*works)
        except Refusal as refusal:
            if refusal.code == "uneven_machines":
                return _uneven(settings, refusal)
    changes = {"serving.tensorParallelSize": works[0], "serving.pipelineParallelSize": works[1]}
    asked_data = f" x dataParallelSize {dp}" if dp > 1 else ""
    works_data = f", dataParallelSize {data}" if dp > 1 else ""
    return Mistake(
        f"serving: tensorParallelSize {tp} x pipelineParallelSize {pp}{asked_data} = {wanted.world_size}, but the "
        f"machines have {world} accelerators; nearest that works: tensorParallelSize {works[0]}, pipelineParallelSize "
        f"{works[1]}{works_data}",
        changes | ({"serving.dataParallelSize": data} if dp > 1 else {}),
    )
