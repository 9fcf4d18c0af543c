"""The engine's words, by executor and rank."""

import pytest

from components.serving.vllm import VllmArgs

ARGS = VllmArgs(
    served_name="m", tensor_parallel_size=2, pipeline_parallel_size=2, max_model_len=512, arguments=("--port=9",)
)


def test_ray_is_one_process_with_rays_executor():
    words = ARGS.ray("/w")
    assert words[:3] == ["vllm", "serve", "/w"]
    assert "--distributed-executor-backend=ray" in words
    assert not any(w.startswith("--nnodes") for w in words)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_every_rank_has_the_same_words_but_its_number(rank):
    words = ARGS.rank("/w", rank, 3, "10.0.0.1")
    assert f"--node-rank={rank}" in words
    assert ("--headless" in words) == (rank > 0)
    common = [w for w in words if not w.startswith("--node-rank") and w != "--headless"]
    assert common == [w for w in ARGS.rank("/w", 0, 3, "10.0.0.1") if not w.startswith("--node-rank")]


def test_one_machine_needs_no_rendezvous():
    assert not any("master" in w or "nnodes" in w for w in ARGS.rank("/w", 0, 1, "10.0.0.1"))


def test_the_users_own_words_come_last_and_win():
    assert ARGS.ray("/w")[-1] == "--port=9"


def test_the_api_listens_on_loopback():
    assert "--host=127.0.0.1" in ARGS.ray("/w")
