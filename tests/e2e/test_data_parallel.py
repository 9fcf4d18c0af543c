"""Two data parallel ranks on two real machines: real vLLM, one URL; by its own launcher, then by Ray.

One deployment is changed step by step, so the tests run in this order. There is no GPU here: accelerator `cpu`, with
a dense model, as vLLM's build for processors has no data parallel ranks with experts (test_data_parallel.py of the
planner's unit tests).
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.deployment import Deployment, chat, fetch
from tests.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(2400)]

NAME = "tiny-qwen2"
WORDS = "word " * 60
"""Many more tokens than the supervisor's own small questions have."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data-parallel")
    made = Deployment(folder, "tandemdp", "10.89.0.0/24", ["node-0", "node-1"])
    made.config["serving"] |= {
        "executor": "mp",
        "tensorParallelSize": 1,
        "dataParallelSize": 2,
        # By itself vLLM starts as many API processes as there are ranks, and each takes a processor for minutes here.
        "arguments": [*made.config["serving"]["arguments"], "--api-server-count=1"],
    }
    yield made
    made.close()


def prompt_tokens(deployment):
    """Of each data parallel rank, as the engine counts them."""
    said = deployment.ssh("node-0", "curl -s http://127.0.0.1:8100/metrics")
    found = re.findall(r'^vllm:prompt_tokens_total\{engine="(\d)".*\} (\S+)$', said, re.M)
    return {int(engine): float(value) for engine, value in found}


def engine(deployment, name, command):
    return deployment.ssh(name, f"docker exec tandem-test-{name}-engine {command}")


def log(deployment):
    return deployment.ssh("node-0", "docker logs tandem-test-node-0-engine 2>&1")


def supervisor(deployment):
    """The supervisor's own lines."""
    return "\n".join(line for line in log(deployment).splitlines() if line.startswith("tandem: "))


def both_take_requests(deployment):
    """More requests at once than a rank takes: each computes some of them, and all say the same."""
    out, before = deployment.outputs(), prompt_tokens(deployment)
    body = {"model": NAME, "messages": [{"role": "user", "content": WORDS}], "max_tokens": 32, "temperature": 0}

    def ask(_):
        url = f"{out['apiUrl']}/chat/completions"
        return fetch(url, out["apiKey"], json.dumps(body).encode(), out["apiCa"])

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(8)))
    assert [reply.code for reply in replies] == [200] * 8
    assert len({reply.said for reply in replies}) == 1
    length = json.loads(replies[0].body)["usage"]["prompt_tokens"]
    taken = {rank: count - before[rank] for rank, count in prompt_tokens(deployment).items()}
    assert set(taken) == {0, 1}
    assert min(taken.values()) >= length


def restarted(deployment, command):
    """Does something to the second machine's rank, and waits until the group has been started again and answers."""
    before = log(deployment).count("the group is whole, starting the engine")
    process = engine(deployment, "node-1", "pgrep -f VLLM::EngineCore_DP1").split()[0]
    engine(deployment, "node-1", f"{command} {process}")
    until(lambda: log(deployment).count("the group is whole, starting the engine") > before, 600)
    until(lambda: chat(deployment.outputs(), NAME).code == 200, 900)


def test_a_completion_comes_through_the_url(deployment):
    run = deployment.up(timeout=1800).good()
    assert "TP1 x PP1 x DP2" in run.text
    assert chat(deployment.outputs(), NAME).code == 200
    assert "EngineCore_DP0" in engine(deployment, "node-0", "ps -eo args")
    assert "EngineCore_DP1" in engine(deployment, "node-1", "ps -eo args")


def test_both_ranks_take_requests_from_the_one_url(deployment):
    both_take_requests(deployment)


def test_a_rank_that_is_killed_comes_back_with_its_group(deployment):
    restarted(deployment, "kill -9")
    assert "rank 1: engine exited" in supervisor(deployment)


def test_a_rank_that_stands_still_is_found_and_the_group_started_again(deployment):
    restarted(deployment, "kill -STOP")
    assert re.search(r"rank 1 on node-1 gives no sign .*EngineCore_DP1.*SIGSTOP", supervisor(deployment))


def test_ray_places_a_rank_on_each_machine(deployment):
    deployment.config["serving"] |= {"executor": "ray"}
    deployment.up(timeout=2400).good()
    assert chat(deployment.outputs(), NAME).said
    for name in ("node-0", "node-1"):
        assert "EngineCoreActor" in deployment.ssh(name, f"docker exec tandem-test-{name}-ray ps -eo args"), name
    both_take_requests(deployment)


def test_destroy_leaves_nothing(deployment):
    deployment.destroy().good()
    for name in ("node-0", "node-1"):
        left = deployment.ssh(
            name,
            "docker ps -aq; ls /var/lib/tandem /mnt/tandem 2>/dev/null; systemctl list-units --no-legend 'tandem*'",
        )
        assert left.strip() == "", name
