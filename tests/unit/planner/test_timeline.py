"""Time, storage and throughput: what bounds them."""

import pytest

from planner import Installs, PlanRequest, Refusal, ReservedEstimate, Start, find_model, owned, plan, render, rented
from planner.catalog.storage import storage_bandwidth
from planner.timeline import timeline

GB = 1e9
L20 = rented("ecs.gn8is-2x.8xlarge", machines=2)


def seconds(schedule, name):
    return next(step.seconds for step in schedule.steps if step.name == name)


def test_nothing_paid_by_the_gpu_hour_waits_for_the_download():
    schedule = timeline(L20, 145 * GB, Start())
    download = next(step for step in schedule.steps if step.name == "download")
    assert all(step.start >= download.end for step in schedule.steps if step.paid)
    assert schedule.gpu_minutes * 60 < schedule.seconds - download.seconds


def test_the_critical_path_adds_up_to_the_whole():
    schedule = timeline(L20, 145 * GB, Start())
    assert sum(seconds(schedule, name) for name in schedule.critical_path) == pytest.approx(schedule.seconds)


def test_the_class_of_the_storage_decides_the_load():
    """145 GB read by two machines, each reading all: about 28 minutes on Capacity and 7 on Performance."""
    loads = {
        name: seconds(timeline(L20, 145 * GB, Start(storage_class=name)), "load")
        for name in ("capacity", "performance")
    }
    assert loads["capacity"] / 60 == pytest.approx(28, rel=0.05)
    assert loads["performance"] / 60 == pytest.approx(7, rel=0.05)


def test_extreme_storage_goes_by_what_is_bought():
    assert storage_bandwidth("extreme", 90 * 2**30) == 150e6
    assert storage_bandwidth("extreme", 101 * 2**30) == 300e6
    assert storage_bandwidth("extreme", 10**14) == 1200e6


def test_machines_rented_early_are_paid_longer_and_answer_sooner():
    later, sooner = (timeline(L20, 145 * GB, Start(early=seconds)) for seconds in (0, 600))
    assert sooner.seconds == pytest.approx(later.seconds - 600)
    assert sooner.gpu_minutes == pytest.approx(later.gpu_minutes)
    # Earlier than machines need to be ready, they wait for the weights.
    assert timeline(L20, 145 * GB, Start(early=3600)).gpu_minutes > later.gpu_minutes + 10


def test_a_cluster_forms_while_weights_download_onto_own_machines():
    schedule = timeline(L20, 145 * GB, Start(machines_ready=True))
    starts = {step.name: step for step in schedule.steps}
    assert starts["cluster"].end < starts["download"].end
    assert starts["engine"].start == starts["download"].end


def test_an_unknown_class_is_refused():
    with pytest.raises(Refusal, match="performance, capacity, extreme"):
        storage_bandwidth("fast", 1)


def test_prepared_machines_with_weights_only_start_the_engine():
    names = [step.name for step in timeline(L20, GB, Start(machines_ready=True, weights_ready=True)).steps]
    assert names == ["host", "image", "cluster", "engine", "load", "graphs", "completion"]


def test_a_token_takes_as_long_as_reading_the_active_weights():
    """14.2 GB of streamed weights over 3.35 TB/s are 4.2 ms, and 28 layers 1.1 ms: 187 tokens/s for one request."""
    dense = plan(PlanRequest(find_model("qwen2.5-7b-instruct"), (owned("H100-80GB", 1, 1),)))
    assert isinstance(dense.estimate, ReservedEstimate)
    assert 180 < dense.estimate.throughput.decode_one < 195
    sparse = plan(PlanRequest(find_model("qwen3-30b-a3b"), (owned("H100-80GB", 1, 1),)))
    assert isinstance(sparse.estimate, ReservedEstimate)
    assert sparse.estimate.throughput.decode_one > dense.estimate.throughput.decode_one


def test_a_plan_prints_bars_a_timeline_and_the_price():
    text = render(plan(PlanRequest(find_model("qwen2.5-72b-instruct"), (L20,))))
    assert "unverified" in text
    assert text.count("GPU x") >= 1
    assert "####" in text
    assert "timeline" in text
    assert max(map(len, text.splitlines())) <= 150


def test_the_cheapest_plan_is_taken():
    clusters = tuple(rented(name, n) for name in ("ecs.gn8is.4xlarge", "ecs.gn8v-8x.48xlarge") for n in (1, 2, 4, 8))
    best = plan(PlanRequest(find_model("qwen3-8b"), clusters, arguments={"max_model_len": "8192"}))
    assert (best.cluster.name, best.cluster.machines) == ("ecs.gn8is.4xlarge", 1)


def test_tensor_parallelism_stays_inside_a_machine_and_pipeline_goes_across():
    best = plan(PlanRequest(find_model("qwen2.5-72b-instruct"), (L20,)))
    assert (best.estimate.split.tensor, best.estimate.split.pipeline) == (2, 2)


def test_machines_without_containers_pull_no_image():
    """Runtime native: pip packages take its place, and an environment that is there takes none."""

    def steps(installs: Installs) -> list[str]:
        start = Start(machines_ready=True, weights_ready=True, installs=installs)
        return [step.name for step in timeline(L20, GB, start).steps]

    rest = ["cluster", "engine", "load", "graphs", "completion"]
    assert steps("packages") == ["host", "packages", *rest]
    assert steps("nothing") == ["host", *rest]
