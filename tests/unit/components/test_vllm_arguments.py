"""vLLM's words, by executor and rank."""

import pytest

from components.serving import ServeArgs, find_engine
from components.serving.engine import Peer

ARGS = ServeArgs(
    served_name="m", tensor_parallel_size=2, pipeline_parallel_size=3, max_model_len=512, arguments=("--port=9",)
)
NODES = [Peer(f"10.0.0.{n}", 2) for n in (1, 2, 3)]


def words(executor, nodes=NODES):
    return [list(p.argv) for p in find_engine("vllm", executor).processes(ARGS, "/w", nodes)]


def test_ray_is_one_process_with_rays_executor():
    (only,) = words("ray")
    assert only[:3] == ["vllm", "serve", "/w"]
    assert "--distributed-executor-backend=ray" in only
    assert not any(w.startswith("--nnodes") for w in only)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_every_rank_has_the_same_words_but_its_number(rank):
    ranks = words("mp")
    assert f"--node-rank={rank}" in ranks[rank]
    assert ("--headless" in ranks[rank]) == (rank > 0)
    common = [[w for w in one if not w.startswith("--node-rank") and w != "--headless"] for one in ranks]
    assert common[rank] == common[0]


def test_one_machine_needs_no_rendezvous():
    assert not any("master" in w or "nnodes" in w for w in words("mp", NODES[:1])[0])


@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_the_users_own_words_come_last_and_win(executor):
    assert all(one[-1] == "--port=9" for one in words(executor))


def test_the_api_listens_on_loopback():
    assert "--host=127.0.0.1" in words("ray")[0]


def spread(tensor=1, data=2, expert=True, pipeline=1, **more):
    return ServeArgs("m", tensor, pipeline, data_parallel_size=data, expert_parallel=expert, **more)


def placed(args, counts, executor="mp"):
    nodes = [Peer(f"10.0.0.{n}", count) for n, count in enumerate(counts, 1)]
    found = [set(p.argv) for p in find_engine("vllm", executor).processes(args, "/w", nodes)]
    shared = {word for word in found[0] if all(word in one for one in found)}
    return shared, [{word for word in one - shared if "port=81" not in word} for one in found]


def test_data_parallel_ranks_are_shared_out_over_uneven_machines_behind_one_api():
    """The first machine names no first rank: it would be taken for one of several APIs (serve.py, is_hybrid_lb)."""
    shared, own = placed(spread(tensor=2, data=3), (4, 2))
    assert shared >= {
        "--data-parallel-size=3",
        "--data-parallel-address=10.0.0.1",
        "--data-parallel-rpc-port=29501",
        "--enable-expert-parallel",
        "--tensor-parallel-size=2",
    }
    assert own == [
        {"--data-parallel-size-local=2"},
        {"--data-parallel-size-local=1", "--data-parallel-start-rank=2", "--headless"},
    ]
    assert not any(word.startswith("--nnodes") for word in shared)


def test_one_machine_has_all_data_parallel_ranks():
    shared, _ = placed(spread(data=4), (4,))
    assert "--data-parallel-size=4" in shared
    assert not any("address" in word or "local" in word for word in shared)


def test_data_parallel_ranks_on_two_machines_each_meet_at_a_port_of_their_own():
    args = spread(tensor=4, engine_port=31000)
    shared, own = placed(args, (2, 2, 2, 2))
    assert shared >= {"--nnodes=4", "--master-port=31000", "--data-parallel-rpc-port=31001", "--data-parallel-size=2"}
    assert [sorted(one) for one in own][:2] == [["--node-rank=0"], ["--headless", "--node-rank=1"]]
    assert find_engine("vllm", "mp").port_count(args, (2, 2, 2, 2)) == 2


@pytest.mark.parametrize(
    ("args", "counts", "local", "strategy"),
    [
        (spread(tensor=2, data=4), (4, 4), ["--data-parallel-size-local=2"], "strict"),
        (spread(tensor=2, data=3), (4, 2), ["--data-parallel-size-local=2"], "fill"),
        (spread(tensor=4, data=2, expert=False), (2, 2, 2, 2), [], "span"),
    ],
)
def test_ray_places_data_parallel_ranks(args, counts, local, strategy):
    shared, _ = placed(args, counts, "ray")
    assert shared >= {"--data-parallel-backend=ray", f"--data-parallel-size={args.data_parallel_size}", *local}
    variables = find_engine("vllm", "ray").variables(args, counts)
    assert variables["VLLM_RAY_DP_PACK_STRATEGY"] == strategy
    find_engine("vllm", "ray").check(args, counts)


@pytest.mark.parametrize("count", [("--api-server-count=4",), ("--api-server-count", "4")])
def test_only_a_machine_with_an_api_gets_how_many_of_it(count):
    first, second = find_engine("vllm", "mp").processes(spread(arguments=("-x", *count, "--y=1")), "/w", NODES[:2])
    assert list(first.argv)[-2 - len(count) :] == ["-x", *count, "--y=1"]
    assert list(second.argv)[-2:] == ["-x", "--y=1"]
    assert not any("api-server-count" in word for word in second.argv)


def test_without_data_parallel_ranks_nothing_is_said_of_them():
    assert not any("data-parallel" in word or "expert" in word for one in words("mp") + words("ray") for word in one)
