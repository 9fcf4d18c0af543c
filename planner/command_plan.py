"""`python -m planner plan`: every plan that fits, or why none does and what would."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from planner.catalog.machines import instance_types
from planner.cluster import Cluster, owned, rented
from planner.engine import Engine
from planner.model.entry import find_model
from planner.plan import Plan
from planner.questions import alone, complete
from planner.refusal import Refusal
from planner.render import render
from planner.request import PlanRequest
from planner.search import find_plans
from planner.timeline import Start
from planner.vllm.estimate import ReservedEstimate
from planner.vllm.flags import pairs


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("name", nargs="?", metavar="MODEL", help="the same as --model; alone it asks for the rest")
    parser.add_argument("--model", help="a name or hub id of the catalog, or the path of a config.json or folder")
    parser.add_argument(
        "--instance-type", action="append", default=[], help="Alibaba Cloud type; several to choose from"
    )
    parser.add_argument("--machines", type=int, help="how many machines; without it 1 to 8 are tried")
    parser.add_argument("--gpu", help="own machines: the accelerator's name in the catalog")
    parser.add_argument("--gpus-per-machine", type=int, default=1, help="own machines: accelerators in each")
    parser.add_argument("--engine", choices=[str(engine) for engine in Engine], default="vllm")
    parser.add_argument("--engine-version", default="0.24.0")
    parser.add_argument("--tensor-parallel-size", type=int)
    parser.add_argument("--pipeline-parallel-size", type=int)
    parser.add_argument("--data-parallel-size", type=int)
    parser.add_argument("--expert-parallel", action="store_true", help="spread routed experts over TP x DP ranks")
    parser.add_argument("--context", help="tokens of prompt and answer; the model's own when not given")
    parser.add_argument(
        "--concurrency", type=float, help="requests of the full context at once, by whose speed splits compare"
    )
    parser.add_argument("--storage-class", default="performance", help="NAS class")
    parser.add_argument("--download-mb-per-second", type=float, help="of the model's source")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an engine argument")
    parser.add_argument("--all", action="store_true", help="list every plan that fits, cheapest first")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the plan as a page")


def run(options: Namespace) -> str:
    """Plans and formats.

    Raises:
        Refusal: nothing fits, or the page's file can't be written.
    """
    options.model = options.model or options.name
    if not options.model:
        raise Refusal(
            "bad_argument", "model", "is missing", "give a hub id such as Qwen/Qwen3-8B, or the path of a config.json"
        )
    if alone(options):
        find_model(options.model)  # before anything is asked
        complete(options)
    request = request_of(options)
    searched = find_plans(request)
    found = searched.plans
    if not found:
        raise searched.refusal
    best = searched.explained(found[0])
    if options.html:
        _write_page(options.html, best, found)
    if options.all:
        return json.dumps([as_dict(p) for p in found], indent=2) if options.json else "\n".join(map(_line, found))
    return json.dumps(as_dict(best), indent=2) if options.json else render(best)


def _write_page(file: Path, best: Plan, found: list[Plan]) -> None:
    from planner.page import page  # a template engine, which only this needs

    text = page(best, found)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refusal("bad_argument", "html", f"{file}: {error.strerror}", "name a file that can be written") from None


def request_of(options: Namespace) -> PlanRequest:
    """The request that the options say.

    Raises:
        Refusal: an option can't be.
    """
    arguments = pairs(options.set)
    if options.context is not None:
        arguments["max_model_len"] = options.context
    if options.expert_parallel:
        arguments["enable_expert_parallel"] = "true"
    concurrency = options.concurrency
    if concurrency is not None and not 0 < concurrency <= 1e6:
        raise Refusal("bad_argument", "concurrency", f"is {options.concurrency}", "give a number above 0, such as 8")
    rate = options.download_mb_per_second
    if rate is not None and not 0 < rate < 1e6:
        raise Refusal("bad_argument", "download-mb-per-second", f"is {rate}", "give MB/s above 0, such as 12.5")
    return PlanRequest(
        model=find_model(options.model),
        clusters=_clusters(options),
        engine=Engine(options.engine),
        engine_version=options.engine_version,
        arguments=arguments,
        concurrency=1.0 if concurrency is None else concurrency,
        streams=None if concurrency is None else max(1, int(concurrency)),
        tensor_parallel_size=options.tensor_parallel_size,
        pipeline_parallel_size=options.pipeline_parallel_size,
        data_parallel_size=1 if options.data_parallel_size is None else options.data_parallel_size,
        choose_data_parallel=options.data_parallel_size is None,
        start=Start(
            storage_class=options.storage_class,
            download_bytes_per_second=rate * 1e6 if rate else None,
            machines_ready=options.gpu is not None,
        ),
    )


def as_dict(chosen: Plan) -> dict[str, object]:
    """A plan as JSON can hold it."""
    estimate = chosen.estimate
    reserved = estimate if isinstance(estimate, ReservedEstimate) else None
    return {
        "model": chosen.request.model.name,
        "engine": chosen.request.engine,
        "machines": chosen.cluster.machines,
        "machine": chosen.cluster.name,
        "gpu": chosen.cluster.device.name,
        "tensor_parallel_size": estimate.split.tensor,
        "pipeline_parallel_size": estimate.split.pipeline,
        "data_parallel_size": estimate.split.data,
        "expert_parallel": estimate.split.expert_parallel,
        "cny_per_hour": chosen.price,
        "price_source": chosen.cluster.priced,
        "max_concurrency": round(reserved.max_concurrency, 2) if reserved else None,
        "memory": reserved.memory.as_dict() if reserved else None,
        "layers_per_device": None if isinstance(estimate, ReservedEstimate) else list(estimate.layers),
        "tokens_per_second": reserved.throughput.as_dict() if reserved else None,
        "seconds_to_first_token": round(chosen.timeline.seconds),
        "paid_gpu_minutes": round(chosen.timeline.gpu_minutes, 1),
        "timeline": [step._asdict() for step in chosen.timeline.steps],
        "critical_path": list(chosen.timeline.critical_path),
        "why": list(chosen.why),
        "notes": list(chosen.notes),
    }


def _clusters(options: Namespace) -> tuple[Cluster, ...]:
    counts = [options.machines] if options.machines is not None else range(1, 9)
    if options.gpu is not None:
        return tuple(owned(options.gpu, options.gpus_per_machine, n) for n in counts)
    return tuple(rented(name, n) for name in options.instance_type or instance_types() for n in counts)


def _line(p: Plan) -> str:
    size, split = "whole layers", p.estimate.split
    if isinstance(p.estimate, ReservedEstimate):
        size = f"{p.estimate.max_concurrency:7.1f} x {p.estimate.memory.max_model_len:,}"
    return f"CNY {p.price:7.0f}/h  {p.cluster.words:<50} {split.short}  {size}"
