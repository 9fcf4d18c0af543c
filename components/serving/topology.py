"""The planner's rules, asked about the machines that an engine is given."""

from __future__ import annotations

from collections.abc import Sequence

from components.serving.engine import ServeArgs
from planner import (
    Change,
    Refusal,
    check_nodes,
    check_one_machine,
    check_rpc_devices,
    check_world_size,
    place_copies,
)


def check_ranks(args: ServeArgs, accelerators: Sequence[int], *, equal: bool, ray: bool = False) -> None:
    """One rank an accelerator.

    Args:
        args: the split.
        accelerators: of each machine.
        equal: the launcher starts as many ranks on each machine.
        ray: the engine has another that doesn't, Ray.

    Raises:
        Refusal: the split needs more accelerators than there are, or can't be shared out equally.
    """
    tensor, pipeline = args.tensor_parallel_size, args.pipeline_parallel_size
    check_world_size(tensor, pipeline, sum(accelerators), data_parallel_size=args.data_parallel_size)
    if not equal:
        return
    if len(set(accelerators)) > 1:
        least = min(accelerators)
        raise Refusal(
            "uneven_machines",
            "machines",
            f"this launcher starts as many ranks on each machine, and they have "
            f"{', '.join(map(str, accelerators))} accelerators",
            f"use {least} of each machine" if ray else "",
            [Change("executor", "ray") if ray else Change("accelerators", least)],
        )
    check_nodes(tensor, pipeline * args.data_parallel_size, len(accelerators))


def data_ranks(args: ServeArgs, accelerators: Sequence[int]) -> tuple[int, ...]:
    """Data parallel ranks that begin on each machine; see `planner.place_copies`."""
    return place_copies(args.tensor_parallel_size, args.pipeline_parallel_size, args.data_parallel_size, accelerators)


def ranks_span(args: ServeArgs, accelerators: Sequence[int]) -> bool:
    """Whether a data parallel rank lies on several machines, each of which it takes whole."""
    size = args.tensor_parallel_size * args.pipeline_parallel_size
    return args.data_parallel_size > 1 and size > max(accelerators)


def check_one_copy(args: ServeArgs, engine: str, otherwise: str = "") -> None:
    """The engine knows neither data nor expert parallelism, or none that a setting stands for.

    Args:
        args: the split.
        engine: its name.
        otherwise: what it has instead, as a clause.

    Raises:
        Refusal: one of them is asked for.
    """
    asked: tuple[tuple[str, int | bool, int | bool, str], ...] = (
        ("data_parallel_size", args.data_parallel_size, 1, "data parallel ranks"),
        ("enable_expert_parallel", args.expert_parallel, False, "expert parallelism"),
    )
    for name, value, none, what in asked:
        if value != none:
            raise Refusal(
                "engine_lacks_parallelism",
                name,
                f"is {str(value).lower()}, and {engine} has no {what} that a stack can set; vllm and sglang have",
                otherwise,
                [Change(name, none)],
            )


def spans_machines(args: ServeArgs, accelerators: Sequence[int]) -> bool:
    """Whether a tensor parallel group has ranks on several machines.

    Ranks are numbered machine by machine, those of a group in a row.
    """
    ranks = args.world_size
    used = [min(count, ranks) for count in accelerators]
    if ranks % len(accelerators) == 0 and ranks // len(accelerators) <= min(accelerators):
        used = [ranks // len(accelerators)] * len(accelerators)
    return any(count % args.tensor_parallel_size for count in used)


def check_layers(args: ServeArgs, accelerators: Sequence[int], *, one_machine: bool = False) -> None:
    """Whole layers on each device, as llama.cpp and Ollama share them.

    Args:
        args: the split; its stages are the devices.
        accelerators: of each machine.
        one_machine: the engine, Ollama, knows no other machines.

    Raises:
        Refusal: tensor parallelism is asked for, there are too many machines, or too many devices.
    """
    if one_machine:
        check_one_machine(len(accelerators))
    devices = sum(accelerators)
    if args.tensor_parallel_size > 1:
        raise Refusal(
            "no_tensor_parallelism",
            "tensor_parallel_size",
            f"is {args.tensor_parallel_size}, and this engine puts whole layers on each device",
            changes=[Change("tensor_parallel_size", 1), Change("pipeline_parallel_size", devices)],
        )
    check_world_size(1, args.pipeline_parallel_size, devices)
    check_rpc_devices(devices)
