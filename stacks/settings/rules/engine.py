"""The engine, its split and its image on these machines."""

from __future__ import annotations

from collections.abc import Iterator

from components.serving import ServeArgs, find_engine
from planner import Refusal, nearest_split
from stacks import versions
from stacks.setting_names import in_settings, setting_path
from stacks.settings.errors import Mistake
from stacks.settings.serving import ServingSettings
from stacks.settings.stack import Settings


def split_mistakes(settings: Settings) -> Iterator[Mistake]:
    """The split uses every accelerator."""
    tp, pp = settings.serving.tensor_parallel_size, settings.serving.pipeline_parallel_size
    if tp * pp != settings.world_size:
        yield _nearest(settings, tp, pp)


def engine_mistakes(settings: Settings) -> Iterator[Mistake]:
    """The engine runs on these accelerators, split so."""
    serving = settings.serving
    engine = find_engine(serving.engine, serving.executor)
    args = ServeArgs(settings.model.name, serving.tensor_parallel_size, serving.pipeline_parallel_size)
    try:
        engine.check(args, settings.accelerators)
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
        "tensorParallelSize for them", changes,
    )  # fmt: skip


def _nearest(settings: Settings, tp: int, pp: int) -> Mistake:
    """The split is none of these machines; the nearest that is, and that their launcher can start."""
    engine = find_engine(settings.serving.engine, settings.serving.executor)

    def check(tensor: int, pipeline: int) -> None:
        engine.check(ServeArgs(settings.model.name, tensor, pipeline), settings.accelerators)

    works = nearest_split(tp, pp, settings.world_size, check)
    if works is None:
        works = nearest_split(tp, pp, settings.world_size) or (1, settings.world_size)
        try:
            check(*works)
        except Refusal as refusal:
            if refusal.code == "uneven_machines":
                return _uneven(settings, refusal)
    return Mistake(
        f"serving: tensorParallelSize {tp} x pipelineParallelSize {pp} = {tp * pp}, but the machines have "
        f"{settings.world_size} accelerators; nearest that works: tensorParallelSize {works[0]}, pipelineParallelSize "
        f"{works[1]}", {"serving.tensorParallelSize": works[0], "serving.pipelineParallelSize": works[1]},
    )  # fmt: skip
