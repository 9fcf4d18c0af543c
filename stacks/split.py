"""The split of a model that settings leave open, by what is planned on the machines; the same for the same settings."""

from __future__ import annotations

from collections.abc import Sequence

from components.serving import find_engine
from planner import Plan, PlanRequest, Refusal, Split, Unplanned, find_plans, plan
from stacks.planning import COUNTED_AS, plan_requests
from stacks.remedies import stack_changes
from stacks.setting_names import in_settings
from stacks.settings.errors import Mistake
from stacks.settings.executor import choose_executor
from stacks.settings.stack import Settings


def with_split(settings: Settings) -> Settings:
    """The same settings with the sizes that were left out.

    Raises:
        Mistake: no split works, or too little is known to tell; what would, or what to give.
    """
    serving = settings.serving
    tensor, pipeline = serving.tensor_parallel_size, serving.pipeline_parallel_size
    if tensor is not None and pipeline is not None:
        return settings
    if COUNTED_AS[serving.engine].offloads:  # whole layers on each device
        return _with(settings, Split(tensor or 1, pipeline or settings.world_size))
    if settings.world_size == 1:
        return _with(settings, Split(tensor or 1, pipeline or 1))
    chosen = _chosen(settings)
    return _with(settings, chosen.estimate.split, chosen.why)


def _with(settings: Settings, split: Split, why: tuple[str, ...] = ()) -> Settings:
    sizes = {
        "split": "auto",
        "tensor_parallel_size": split.tensor,
        "pipeline_parallel_size": split.pipeline,
        "data_parallel_size": max(split.data, settings.serving.data_parallel_size),
        "expert_parallel": split.expert_parallel or settings.serving.expert_parallel,
    }
    return settings.with_split(settings.serving.model_copy(update=sizes), why)


def _chosen(settings: Settings) -> Plan:
    """The best plan that every kind of machine that may be rented can have, and that the launcher can start, with why.

    Raises:
        Mistake: there is none.
    """
    rented = settings.cloud is not None
    try:
        first, *others = plan_requests(settings)[0]
        problems: list[Refusal] = []
        searched = find_plans(first)
        for found in searched.plans:
            try:
                _check(settings, found, others)
            except Unplanned:
                raise
            except Refusal as refusal:
                problems.append(refusal)
            else:
                return searched.explained(found)
        raise problems[0] if problems else searched.refusal
    except Unplanned as missing:
        remedy = "or set tensorParallelSize and pipelineParallelSize"
        text = in_settings(missing, rented=rented)
        raise Mistake(f"serving.split: is chosen by memory and speed, which aren't known: {text}; {remedy}") from None
    except Refusal as refusal:
        changes = stack_changes(refusal, settings)
        raise Mistake(f"serving.split: none works: {in_settings(refusal, rented=rented)}", changes) from None


def _check(settings: Settings, found: Plan, others: Sequence[PlanRequest]) -> None:
    """The engine's launcher can start such ranks, and the other kinds of machines can have them too.

    Raises:
        Refusal: not so.
    """
    split = found.estimate.split
    chosen = _with(settings, split)
    executor = settings.serving.executor or choose_executor(chosen)
    find_engine(settings.serving.engine, executor).check(chosen.serve_args, settings.accelerators)
    for request in others:
        plan(request.for_split(split))
