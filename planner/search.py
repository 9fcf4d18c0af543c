"""The planner's entry: from a request to the best plan, or a refusal that names the nearest plan that works.

Fewest changes first, each tried before it is named.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import gcd
from typing import NamedTuple

from planner.catalog.versions import vllm_version
from planner.choice import free_splits, ranked, reasons
from planner.cluster import Cluster
from planner.engine import Engine
from planner.model.entry import catalog_model
from planner.parallelism import nearest_split, nearest_splits
from planner.plan import Plan, attempt
from planner.pluralize import pluralize
from planner.refusal import Change, Refusal, Unplanned
from planner.request import PlanRequest
from planner.split import PARTITION, Split
from planner.vllm.rules import check_split

SPLIT = ("tensor_parallel_size", "pipeline_parallel_size")

MOST_MACHINES = 16
"""Machines of the asked kind up to which a refusal offers more."""


class Found(NamedTuple):
    """What became of every candidate of a request, each looked at once.

    Attributes:
        request: which they answer.
        plans: those that fit, cheapest first, and the fastest of those.
        refused: the others in the order they were tried: machines, split, and why.
    """

    request: PlanRequest
    plans: list[Plan]
    refused: list[tuple[Cluster, Split, Refusal]]

    def explained(self, chosen: Plan) -> Plan:
        """One of the plans, with what speaks for its split where the request left it open."""
        tried = [(split, refusal) for cluster, split, refusal in self.refused if cluster == chosen.cluster]
        if len(tried) + sum(other.cluster == chosen.cluster for other in self.plans) == 1:
            return chosen
        return replace(chosen, why=reasons(chosen, self.plans, tried, self.request.streams))

    @property
    def refusal(self) -> Refusal:
        """Why none of the plans can be used, with the nearest that can."""
        return nearest_refusal(self.request, [refusal for *_, refusal in self.refused])


def find_plans(request: PlanRequest) -> Found:
    """Every candidate of a request.

    Raises:
        Unplanned: too little is known to count them.
    """
    found: list[Plan] = []
    refused: list[tuple[Cluster, Split, Refusal]] = []
    for cluster in request.clusters:
        for split in _splits(request, cluster):
            try:
                found.append(attempt(request, cluster, split))
            except Unplanned:
                raise
            except Refusal as refusal:
                refused.append((cluster, split, refusal))
    return Found(request, ranked(found, request.streams), refused)


def plan(request: PlanRequest) -> Plan:
    """The best plan, with what speaks for its split: the cheapest that fits; of equally cheap ones the fastest.

    Raises:
        Refusal: nothing fits; code and reason of the most promising attempt, and the nearest plan that works.
    """
    found = find_plans(request)
    if found.plans:
        return found.explained(found.plans[0])
    raise found.refusal


def nearest_refusal(request: PlanRequest, refusals: list[Refusal]) -> Refusal:
    """The first refusal, with a remedy that was tried and works.

    Where nothing that is tried works, the refusal keeps its own remedy.
    """
    if not refusals:
        return Refusal("nothing_to_plan_on", "machines", "no machines are given", "give at least one kind of machine")
    closest = _closest(refusals)
    for changes in _alternatives(request, closest):
        found = _first_plan(apply_changes(request, changes))
        if found is not None:
            split, machines = found.estimate.split, pluralize(found.cluster.machines, "machine")
            works = machines if request.engine.offloads else f"{split.short}, {machines}"
            return Refusal(closest.code, closest.setting, closest.reason, "", changes, works=works)
    if request.whole and any(c.setting in SPLIT for c in closest.changes):
        # Its own remedy leaves accelerators unused, which whoever starts the ranks refuses.
        return Refusal(closest.code, closest.setting, closest.reason, _no_split(request.clusters[0].accelerators))
    return closest


def apply_changes(request: PlanRequest, changes: tuple[Change, ...]) -> PlanRequest:
    """The request with a refusal's changes made: what a user does who follows the remedy."""
    for change in changes:
        value = change.value
        match change.setting:
            case "tensor_parallel_size":
                request = replace(request, tensor_parallel_size=int(value))
            case "pipeline_parallel_size":
                request = replace(request, pipeline_parallel_size=int(value))
            case "data_parallel_size":
                request = replace(request, data_parallel_size=int(value))
            case "machines":
                clusters = tuple(dict.fromkeys(cluster.of(int(value)) for cluster in request.clusters))
                request = replace(request, clusters=clusters)
            case "model":
                request = replace(request, model=catalog_model(str(value)))
            case "engine":
                request = replace(request, engine=Engine(str(value)))
            case "engine_version":
                request = replace(request, engine_version=str(value))
            case setting if setting == PARTITION:
                parts = tuple(int(part) for part in str(value).split(",") if part)
                request = replace(request, partition=parts or None)
            case "concurrency":
                request = replace(request, concurrency=float(value))
            case name:
                request = replace(request, arguments={**request.arguments, name: str(value)})
    return request


def _closest(refusals: list[Refusal]) -> Refusal:
    """The refusal that got furthest: one about memory says more than one about a split that was only tried."""
    late = ("too_little_concurrency", "context_does_not_fit", "no_kv_memory", "weights_too_large")
    return min(refusals, key=lambda r: late.index(r.code) if len(refusals) > 1 and r.code in late else len(late))


def _first_plan(request: PlanRequest) -> Plan | None:
    try:
        found = find_plans(request).plans
    except Refusal:
        return None
    return found[0] if found else None


def _alternatives(request: PlanRequest, closest: Refusal) -> Iterator[tuple[Change, ...]]:
    """Changes to try, fewest first."""
    if closest.changes:
        yield closest.changes
    splits = list(_other_splits(request))
    yield from splits
    shorter = [(Change("max_model_len", length),) for length in (131072, 65536, 32768, 16384, 8192, 4096, 2048)]
    yield from shorter
    if request.engine is not Engine.TENSORRT_LLM:  # whose YAML file alone has it
        yield (Change("kv_cache_dtype", "fp8"),)
    smaller_models = [(Change("model", name),) for name in request.model.variants]
    yield from smaller_models
    yield from ((*model, *split) for model in smaller_models for split in splits)
    yield from ((*split, *length) for split in splits for length in shorter)
    more = [(Change("machines", n),) for n in _more_machines(request.clusters)]
    free = replace(request, tensor_parallel_size=None, pipeline_parallel_size=None)
    for change in more:
        for cluster in apply_changes(free, change).clusters:
            yield from ((*change, *split) for split in _splits_of(cluster, request))


def _other_splits(request: PlanRequest) -> Iterator[tuple[Change, ...]]:
    """Other splits of the same machines, the one closest to the asked first."""
    if request.tensor_parallel_size is None or request.engine.offloads:
        return
    for cluster in request.clusters:
        yield from _splits_of(cluster, request)


def _splits_of(cluster: Cluster, request: PlanRequest) -> list[tuple[Change, ...]]:
    if request.tensor_parallel_size is None or request.engine.offloads:
        return [()]
    tensor, pipeline = request.tensor_parallel_size, request.pipeline_parallel_size or 1
    found: list[tuple[Change, ...]] = []
    for data in _data_sizes(request.data_parallel_size, cluster.accelerators):
        near = nearest_splits(tensor, pipeline, cluster.accelerators // data, spans=cluster.spans)
        found += [_sizes(request, *split, data) for split in near]
    return found


def _data_sizes(wanted: int, accelerators: int) -> list[int]:
    """Data parallel sizes to try: the asked one where it divides the accelerators, then lower ones."""
    return [n for n in range(min(wanted, accelerators), 0, -1) if accelerators % n == 0]


def _sizes(request: PlanRequest, tensor: int, pipeline: int, data: int) -> tuple[Change, ...]:
    """The changes to another split; layers by hand are of the asked number of stages."""
    sizes: tuple[Change, ...] = (Change("tensor_parallel_size", tensor), Change("pipeline_parallel_size", pipeline))
    if data != request.data_parallel_size:
        sizes = (*sizes, Change("data_parallel_size", data))
    other = request.partition is not None and pipeline != (request.pipeline_parallel_size or 1)
    return (*sizes, Change(PARTITION, "")) if other else sizes


def check_model_split(request: PlanRequest, accelerators: int) -> None:
    """The request's model can be cut as it asks, which no GPU decides: for machines whose GPU isn't known.

    Args:
        request: with both parallel sizes given.
        accelerators: in all machines.

    Raises:
        Refusal: of the first rule that doesn't hold, with the nearest split of all accelerators that holds.
    """
    tensor, pipeline = request.tensor_parallel_size or 1, request.pipeline_parallel_size or 1
    expert, data = request.arguments.get("enable_expert_parallel") == "true", request.data_parallel_size

    def check(tp: int, pp: int, partition: tuple[int, ...] | None = None) -> None:
        split = Split(tp, pp, expert_parallel=expert, partition=partition, data=data)
        check_split(request.model.model, split, vllm_version(request.engine_version))

    try:
        check(tensor, pipeline, request.partition)
    except Refusal as refusal:
        if refusal.code == "bad_partition":
            raise
        works = nearest_split(tensor, pipeline, accelerators // data, check)
        if works is None:
            raise Refusal(refusal.code, refusal.setting, refusal.reason, _no_split(accelerators)) from None
        found = Split(*works, data=data).short
        changes = _sizes(request, *works, data)
        raise Refusal(refusal.code, refusal.setting, refusal.reason, "", changes, works=found) from None


def _no_split(accelerators: int) -> str:
    these = "this accelerator" if accelerators == 1 else f"these {accelerators} accelerators"
    return f"no split of {these} works with this model: use another number of them, or a smaller quantization"


def _more_machines(clusters: tuple[Cluster, ...]) -> list[int]:
    most = max((cluster.machines for cluster in clusters), default=1)
    return list(range(most + 1, max(MOST_MACHINES, 2 * most) + 1))


def _splits(request: PlanRequest, cluster: Cluster) -> list[Split]:
    """Splits to try: the given one, or tensor within a machine and pipeline across, larger tensor first."""
    tensor, pipeline = request.tensor_parallel_size, request.pipeline_parallel_size
    if request.engine.offloads:
        return [Split(1, 1)]
    data = request.data_parallel_size
    if data > 1:
        return _data_splits(request, cluster)
    if tensor is not None:
        return [Split(tensor, pipeline or max(1, cluster.accelerators // max(1, tensor)))]
    if pipeline is None and request.choose_data_parallel:
        return free_splits(request, cluster)
    smallest = gcd(*cluster.each)
    within = [n for n in range(smallest, 0, -1) if smallest % n == 0]
    across = [cluster.accelerators] if cluster.machines > 1 else []
    if pipeline is not None:
        return [Split(n, pipeline) for n in within if n * pipeline == cluster.accelerators] or [
            Split(max(1, cluster.accelerators // max(1, pipeline)), pipeline)
        ]
    return [Split(n, cluster.accelerators // n) for n in [*within, *across]]


def _data_splits(request: PlanRequest, cluster: Cluster) -> list[Split]:
    """Splits of each data parallel rank, which lies in one machine where it can: larger tensor first."""
    tensor, pipeline, data = request.tensor_parallel_size, request.pipeline_parallel_size, request.data_parallel_size
    each = max(1, cluster.accelerators // max(1, data))
    if tensor is not None:
        return [Split(tensor, pipeline or max(1, each // max(1, tensor)), data=data)]
    if pipeline is not None:
        return [Split(max(1, each // max(1, pipeline)), pipeline, data=data)]
    return [Split(n, each // n, data=data) for n in range(each, 0, -1) if each % n == 0]
