"""Other engines over real machines: Ollama for real, one launcher of each kind as a stand-in (tests/stand_ins).

Every recipe's own settings come up in tests/recipes/test_bring_up.py, which takes longer. Machines, Docker, Ray, group,
gateway and readiness are real. No GPU and no NPU is here: accelerator `cpu`.
"""

from __future__ import annotations

import pytest

from tests.support.deployment import GREEDY, Deployment, chat
from tests.support.paths import ROOT
from tests.support.waiting import until

# By default test_native.py has two ranks of a stand-in, test_mpi_agent.py ranks as mpirun starts them, test_ollama.py
# Ollama's script, and test_words.py the words of each engine.
pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long]

PATH = "/usr/local/bin:/opt/vllm/bin:/usr/bin:/bin"
STAND_IN = [
    "/opt/tandem/engine/usr:/usr:ro",
    "/opt/tandem/engine/opt/vllm:/opt/vllm:ro",
    "/opt/tandem/stand-ins:/usr/local/bin:ro",
]
SAYS = {
    "sglang": "stand-in of sglang: 2 nodes, 2 ranks",
    "tensorrt-llm": "stand-in of tensorrt-llm: 2 MPI ranks",
    "vllm-ascend": "stand-in of vllm: 2 NPUs on 2 nodes",
}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    binds = [f"{ROOT / 'tests/stand_ins/bin'}:/opt/tandem/stand-ins"]
    made = Deployment(folder, "tandeme", "10.84.0.0/24", ["node-0", "node-1"], engines=["ollama"], binds=binds)
    yield made
    made.close()


def up(deployment, engine, image="stand-in:1", mounts=STAND_IN, **changes):
    registry = deployment.config["images"]["engine"].partition("/")[0]
    served = {"STAND_IN_SERVED": "tiny-qwen2"}
    base = {"engine": engine, "tensorParallelSize": 2, "maxModelLen": 512}
    deployment.config["serving"] = {**base, "environment": {"PATH": PATH, "PYTHONPATH": "/usr/local/bin", **served}}
    return deployment.up(images={"engine": f"{registry}/tandem/{image}", "mounts": mounts}, **changes)


def folder_of(deployment):
    """The weights that the first `up` has brought, as a folder of the storage."""
    found = deployment.ssh("node-0", "find /mnt/tandem/models -name config.json -printf '%h\\n' | head -n 1").strip()
    folder = found.removeprefix("/mnt/tandem/")
    return {"source": "path", "id": folder, "servedName": "tiny-qwen2", "endpoint": None}


def ollama(deployment):
    mounts = ["/opt/tandem/engine/usr:/usr:ro", "/opt/tandem/ollama:/usr/local/bin:ro"]
    return up(
        deployment,
        "ollama",
        image="ollama-cpu:0.17.4",
        mounts=mounts,
        machines=deployment.config["machines"][:1],
        model={"id": "tandem/tiny-qwen2-gguf-whole", "servedName": "tiny-qwen2"},
        serving={"tensorParallelSize": 1, "environment": None},
    )


def answer(deployment):
    out = deployment.outputs()
    return chat(out, "tiny-qwen2")


@pytest.mark.parametrize("engine", ["sglang", "tensorrt-llm"])
def test_a_stand_in_over_both_machines_answers(deployment, engine):
    up(deployment, engine).good()
    assert answer(deployment).said == SAYS[engine]


def test_a_rank_of_mpi_that_dies_takes_the_group_down_and_up_again(deployment):
    """Goes on from the test above: the launcher whose ranks another program starts.

    test_llamacpp.py does it with one that starts them itself.
    """
    engine = "tensorrt-llm"
    deployment.ssh("node-1", "docker exec tandem-test-node-1-engine pkill -9 -f trtllm-serve")
    until(lambda: answer(deployment).code != 200, 60)
    until(lambda: answer(deployment).code == 200, 120)
    assert answer(deployment).said == SAYS[engine]


def test_a_stand_in_on_ray_gets_all_its_npus_and_answers(deployment):
    # A folder is a model that no planner knows: it would rightly refuse an Ascend engine on processors.
    up(deployment, "vllm-ascend", model=folder_of(deployment)).good()
    assert answer(deployment).said == SAYS["vllm-ascend"]


def test_ollama_itself_answers_on_one_machine(deployment):
    """Real Ollama, real GGUF weights: it begins as vLLM and llama.cpp do, and goes its own way after some words."""
    ollama(deployment).good()
    assert answer(deployment).said.startswith(GREEDY[: GREEDY.index("�")])
