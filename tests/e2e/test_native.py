"""Two machines that lend a login and no more: no Docker, no root, no sudo; a drive and engines are there already.

Machines, SSH, weights, engines and gateway are real: llama.cpp with RPC, which starts quickly, and vLLM in the long
tests. The machines' systemd is the landlord's: this login may not use it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from localcloud.fixtures import ensure_environment
from tests.support.deployment import GREEDY, Deployment, chat, fetch
from tests.support.paths import ROOT
from tests.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.engine]

MODEL = "tiny-qwen2"
LANDLORD = """
set -e
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv numactl >/dev/null
cp /opt/tandem/engine/usr/lib/x86_64-linux-gnu/libgomp.so.1 /usr/local/lib && ldconfig
useradd --create-home --shell /bin/bash renter
install -d -o renter -g renter -m 700 /home/renter/.ssh
install -o renter -g renter -m 600 /root/.ssh/authorized_keys /home/renter/.ssh/authorized_keys
mkdir -p /datadrive
mount -t nfs nas:/share /datadrive
chown renter:renter /datadrive
"""
"""What the machines are when they are lent."""

OURS = "ps -u renter -o args= | grep -v -e sshd -e 'systemd --user' -e sd-pam -e 'ps -u' || true"


PROCESSES = "/home/renter/.tandem/tandem-test/processes"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    stand_in = ROOT / "tests/stand_ins/bin/open-webui"
    binds = [f"{ensure_environment()}/opt/vllm:/opt/vllm", f"{stand_in}:/opt/tandem/webui/open-webui"]
    folder, names = tmp_path_factory.mktemp("native"), ["node-0", "node-1"]
    made = Deployment(folder, "tandemv", "10.88.0.0/24", names, binds=binds, engines=["llamacpp"])
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: made.ssh(name, LANDLORD), names))
        made.config["ssh"]["user"] = "renter"
        made.config["runtime"] = "native"
        made.config["storage"] = {"path": "/datadrive"}
        made.config["webui"] = {"enabled": True, "packages": [], "allowedCidrs": ["10.88.0.1/32"]}
        url = "https://10.88.0.11:8000/"  # as a landlord's, who forwards the port
        made.config["gateway"] = {"url": url, "metricsCidrs": ["127.0.0.0/8"]}
        del made.config["images"]
        yield made
    finally:
        made.close()


def llamacpp(deployment, **native):
    deployment.config["native"] = {"path": ["/opt/tandem/llamacpp", "/opt/tandem/webui"], **native}
    serving = {"engine": "llamacpp", "tensorParallelSize": 1, "pipelineParallelSize": 2, "maxModelLen": 512}
    return deployment.up(
        model={"id": "tandem/tiny-qwen2-gguf", "servedName": MODEL},
        serving={**serving, "environment": None, "arguments": ["--gpu-layers", "3", "--threads", "1"]},
    )


def answer(deployment):
    out = deployment.outputs()
    return chat(out, MODEL)


def said(deployment, name):
    return deployment.ssh(name, f"cat {PROCESSES}/{name}-engine/log")


def test_a_url_appears_when_a_completion_came_back_through_both_machines(deployment):
    run = llamacpp(deployment).good()
    assert deployment.outputs()["apiUrl"] == "https://10.88.0.11:8000/v1"
    assert answer(deployment).said == GREEDY
    assert "Accepted client connection" in said(deployment, "node-1")
    assert run.text.index("node-0-engine-ready-done created") < run.text.index("answer-asked created")
    for name in ("node-0", "node-1"):
        # Nothing that is not the login's: no container engine, no engine as root.
        assert not deployment.ssh(name, "command -v docker || true; ps -u root -o args= | grep '[l]lama' || true")


def test_the_gateway_lets_in_only_the_api_and_only_with_the_key(deployment):
    out = deployment.outputs()
    url, key, authority = out["apiUrl"], out["apiKey"], out["apiCa"]

    def code(path, given):
        return fetch(url.removesuffix("/v1") + path, given, authority=authority).code

    assert [code("/v1/models", given) for given in (key, None, "x" * 48, key.upper())] == [200, 401, 401, 401]
    assert [code(path, key) for path in ("/metrics", "/v1/../metrics", "/pause")] == [404] * 3
    assert code("/health", None) == 200
    seen = deployment.ssh("node-0", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert key not in seen
    assert not deployment.ssh("node-0", f"find {PROCESSES} {PROCESSES}/../gateway -perm /077 -not -type l")


def test_the_page_lists_the_model_and_only_some_may_open_it(deployment):
    """Open WebUI's stand-in (tests/stand_ins/README.md) behind the real gateway."""
    out = deployment.outputs()
    assert fetch(f"{out['webuiUrl']}/health", authority=out["apiCa"]).code == 200
    request = f"curl --insecure -s -o /dev/null -w '%{{http_code}}' {out['webuiUrl']}/health"
    assert deployment.ssh("node-1", request) == "403"


def test_an_up_without_changes_runs_nothing(deployment):
    assert llamacpp(deployment).good().changed() == set()


def test_a_key_comes_and_goes_and_no_process_is_touched(deployment):
    """The Caddy that runs loads it; engines, page and the gateway's own process are the same."""
    before = deployment.ssh("node-0", f"cat {PROCESSES}/*/supervisor; pgrep -u renter caddy")
    deployment.config["gateway"]["keys"] = ["ci"]
    probes = {"node-0-gateway-configured-run", "answer-asked", "webui-login-tried"}
    assert llamacpp(deployment).good().changed() == {"api-key-ci-made", *probes}
    out = deployment.outputs()
    assert set(out["apiKeys"]) == {"default", "ci"}
    url, authority = f"{out['apiUrl']}/models", out["apiCa"]
    assert [fetch(url, key, authority=authority).code for key in out["apiKeys"].values()] == [200, 200]
    counts = "curl --insecure -fs https://localhost:8000/gateway/metrics/keys"
    until(lambda: '_requests_total{key="ci",code="200"} 1\n' in deployment.ssh("node-0", counts))
    del deployment.config["gateway"]["keys"]
    assert llamacpp(deployment).good().changed() == {"api-key-ci-made", *probes}
    assert fetch(url, out["apiKeys"]["ci"], authority=authority).code == 401
    assert deployment.ssh("node-0", f"cat {PROCESSES}/*/supervisor; pgrep -u renter caddy") == before
    log = deployment.ssh("node-0", f"cat {PROCESSES}/node-0-gateway/log")
    assert '"key":"ci"' in log
    assert not [key for key in out["apiKeys"].values() if key in log]


def test_a_gateway_that_is_killed_comes_back_with_its_keys(deployment):
    deployment.ssh("node-0", "pkill -9 -u renter caddy")
    until(lambda: answers(deployment), 60)


def answers(deployment) -> bool:
    try:
        return bool(answer(deployment).code == 200)
    except OSError:
        return False


def test_a_rank_that_dies_comes_back_with_its_group(deployment):
    deployment.ssh("node-1", "pkill -9 -u renter ggml-rpc-server")
    until(lambda: "rank 1: engine exited" in said(deployment, "node-0"), 60)
    until(lambda: answer(deployment).code == 200, 120)
    assert answer(deployment).said == GREEDY


def test_after_a_restart_of_a_machine_a_changed_trigger_starts_what_is_not_running(deployment):
    """As a rented container comes back: nothing of ours runs there, the files are. Here all that runs is killed."""
    before = deployment.ssh("node-0", f"cat {PROCESSES}/*/supervisor")
    deployment.ssh("node-1", "pkill -9 -u renter")
    run = llamacpp(deployment, trigger="again").good()
    assert {"node-0-engine", "node-1-engine"} <= run.changed()
    assert answer(deployment).said == GREEDY
    assert deployment.ssh("node-0", f"cat {PROCESSES}/*/supervisor") == before


def test_destroy_leaves_nothing(deployment):
    run = deployment.destroy().good()
    for name in ("node-0", "node-1"):
        assert not deployment.ssh(name, OURS).strip()
        assert not deployment.ssh(name, "ls -d /home/renter/.tandem /tmp/tandem-* 2>/dev/null; ls -A /datadrive")
    assert "could not" not in run.text


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("executor", ["mp", "ray"])
def test_vllm_from_an_environment_that_is_there(deployment, executor):
    deployment.config["native"] = {"python": "/opt/vllm/bin/python3", "path": ["/opt/tandem/webui"]}
    measured = executor == "mp"  # once: it takes minutes
    deployment.up(seconds=1500, serving={"executor": executor}, benchmark="quick" if measured else "off").good()
    assert answer(deployment).said == GREEDY
    if measured:
        assert deployment.outputs()["measured"]["levels"]
    for name in ("node-0", "node-1"):
        running = deployment.ssh(name, "ps -u renter -o args=")
        assert ("RayWorkerProc" if executor == "ray" else "vllm serve") in running
        assert "llama" not in running


@pytest.mark.long
def test_destroy_leaves_no_process_of_vllm_and_ray(deployment):
    deployment.destroy().good()
    for name in ("node-0", "node-1"):
        assert not deployment.ssh(name, OURS).strip()
        assert not deployment.ssh(
            name,
            "ls -d /home/renter/.tandem /home/renter/.cache /home/renter/.triton /tmp/tandem-* 2>/dev/null || true",
        )
