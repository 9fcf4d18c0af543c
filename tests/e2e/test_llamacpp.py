"""llama.cpp over two real machines: real `llama-server`, real RPC server, real weights, no GPU."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.deployment import GREEDY, Deployment, chat, fetch
from tests.support.paths import ROOT
from tests.support.waiting import until

# By default test_native.py has this engine over both machines, and test_hosts.py another with Docker.
pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long]

MODEL = "tiny-qwen2"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llamacpp")
    # Open WebUI's alone: llama.cpp is real here.
    binds = [f"{ROOT / 'tests/stand_ins/bin/open-webui'}:/opt/tandem/stand-ins/open-webui"]
    made = Deployment(folder, "tandeml", "10.83.0.0/24", ["node-0", "node-1"], engines=["llamacpp"], binds=binds)
    yield made
    made.close()


def up(deployment, webui=None, **serving):
    """Llama.cpp's own settings beside the machines'; three of five layers on the other machine."""
    registry = deployment.config["images"]["engine"].partition("/")[0]
    mounts = ["/opt/tandem/engine/usr:/usr:ro", "/opt/tandem/llamacpp:/usr/local/bin:ro"]
    mounts.append("/opt/tandem/stand-ins:/opt/vllm/bin:ro")
    deployment.config["serving"] = {
        "engine": "llamacpp",
        "tensorParallelSize": 1,
        "pipelineParallelSize": 2,
        "maxModelLen": 512,
        "arguments": ["--gpu-layers", "3", "--threads", "1"],
    }
    return deployment.up(
        model={"id": "tandem/tiny-qwen2-gguf", "servedName": MODEL},
        images={"engine": f"{registry}/tandem/llamacpp-cpu:b11434", "mounts": mounts},
        serving=serving,
        webui=webui or {},
    )


def answer(deployment):
    out = deployment.outputs()
    return chat(out, MODEL)


def test_a_url_appears_when_a_completion_came_back_through_both_machines(deployment):
    run = up(deployment).good()
    assert answer(deployment).said == GREEDY
    log = deployment.ssh("node-1", "docker logs tandem-test-node-1-engine 2>&1")
    assert "Accepted client connection" in log
    assert run.text.index("node-0-engine-ready-done created") < run.text.index("answer-asked created")


def test_rpc_listens_on_the_private_address_only(deployment):
    listening = deployment.ssh("node-1", "ss -Hltn 'sport = :50052'")
    assert listening.split()[3] == f"{deployment.machine('node-1').record.address}:50052"


def test_an_rpc_server_that_dies_comes_back_with_its_group(deployment):
    deployment.ssh("node-1", "docker exec tandem-test-node-1-engine pkill -9 ggml-rpc-server")
    until(lambda: "rank 1: engine exited" in deployment.ssh("node-0", "docker logs tandem-test-node-0-engine 2>&1"), 60)
    until(lambda: answer(deployment).code == 200, 120)
    assert answer(deployment).said == GREEDY


def test_an_up_without_changes_runs_nothing(deployment):
    assert up(deployment).good().changed() == set()


def page(deployment, **changes):
    """The stand-in of Open WebUI (tests/stand_ins/README.md) behind the real gateway."""
    own = deployment.subnet.replace(".0/24", ".1/32")
    image = deployment.config["images"]["engine"].partition("/")[0] + "/tandem/stand-in:1"
    return up(deployment, webui={"enabled": True, "allowedCidrs": [own], "image": image, **changes})


def test_a_page_appears_when_its_account_has_logged_in_and_seen_the_model(deployment):
    run = page(deployment).good()
    out = deployment.outputs()
    assert out["webuiUrl"] == f"https://{deployment.machine('node-0').record.address}:3000"
    assert "webui-login-tried created" in run.text
    wrong = json.dumps({"email": out["webuiLogin"], "password": "x" * 12}).encode()
    assert fetch(f"{out['webuiUrl']}/api/v1/auths/signin", body=wrong, authority=out["apiCa"]).code == 400
    assert fetch(f"{out['webuiUrl']}/api/models", authority=out["apiCa"]).code == 401
    # Its secrets are in no list of containers, and it is reached through the gateway's ranges only.
    seen = deployment.ssh("node-0", "docker ps -q | xargs docker inspect; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert not [secret for secret in (out["webuiPassword"], out["apiKey"]) if secret in seen]
    address = deployment.machine("node-0").record.address
    request = "curl --insecure -s -o /dev/null -w '%{http_code}'"
    both = f"{request} https://{address}:3000/health; {request} http://{address}:8180/health || true"
    assert deployment.ssh("node-1", both) == "403000"


def test_a_page_that_nobody_here_may_open_is_no_output(deployment, monkeypatch):
    monkeypatch.setitem(deployment.environment, "TANDEM_LOGIN_SECONDS", "3")
    run = page(deployment, allowedCidrs=["192.0.2.0/24"]).bad()
    assert "the page did not show the model in 3 s (HTTP 403" in run.text
    assert "webui.allowedCidrs" in run.text


def test_a_wrong_argument_is_named(deployment):
    run = up(deployment, arguments=["--no-such-argument"]).bad()
    assert re.search(r"before its first completion \(rank 0 on node-0, exit code 1\): .*--no-such-argument", run.text)


def test_destroy_leaves_nothing(deployment):
    deployment.destroy().good()
    for name in ("node-0", "node-1"):
        assert not deployment.ssh(name, "docker ps -aq; ls /var/lib/tandem /mnt/tandem 2>/dev/null; true").strip()
