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
