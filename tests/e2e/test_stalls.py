"""Each kind of process of a deployment stands still, loops or is gone: that is reported with its place, and repaired.

Two machines, Docker, the real vLLM on processors with monitoring; by vLLM's own ranks, then by Ray. One deployment is
changed step by step, so the tests run in this order. A stopped process is reported at the webhook within 120 s, and
what follows takes no more than 1.2 times the engine's own start.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from localcloud.fixtures.uv import install
from tests.support.deployment import chat
from tests.support.hanging_share import HangingShare
from tests.support.monitored import bring_up, make_deployment, webhook
from tests.support.paths import ROOT
from tests.support.stalls import FOUND, RATIO, Client, first, happen, log, own_start
from tests.support.waiting import until

__all__ = ["webhook"]  # a fixture of that module
pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(3600)]

MODEL, NODES = "tiny-qwen2", ("node-0", "node-1")
IN_ENGINE = "/opt/tandem/in-engine"
"""On machines and in containers: py-spy, and what makes a process loop on SIGUSR2."""
PATH = "/opt/vllm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stalls")
    own = folder / "in-engine"
    pinned = re.search(r"^py-spy==.*?(?=^[^ ])", (ROOT / "stacks/locks/sglang.lock").read_text(), re.M | re.S)
    assert pinned
    (folder / "py-spy.lock").write_text(pinned[0])
    install(folder / "py-spy.lock", own, folder / "install.log")
    (own / "sitecustomize.py").write_text((ROOT / "tests/support/in_engine/sitecustomize.py").read_text())
    made = make_deployment(folder, "tandemst", "10.94.0.0/24", binds=[f"{own}:{IN_ENGINE}"])
    made.config["images"]["mounts"].append(f"{IN_ENGINE}:{IN_ENGINE}:ro")
    made.config["serving"]["environment"] |= {"PATH": f"{PATH}:{IN_ENGINE}/bin", "PYTHONPATH": IN_ENGINE}
    yield made
    made.close()


@pytest.fixture(scope="module")
def out(deployment, webhook):
    made = bring_up(deployment, webhook)
    print(f"the engine's own first start: {own_start(deployment):.0f} s")
    return made


@pytest.fixture(scope="module")
def client(out):
    asks = Client(out, MODEL)
    yield asks
    asks.end()


@pytest.fixture
def stalls(deployment, webhook, client):
    """Lets a fault happen, and judges what came of it."""

    def judged(name, fault, **how):
        seen = happen(name, fault, deployment=deployment, webhook=webhook, client=client, **how)
        assert seen.alerted < FOUND
        assert seen.ratio <= RATIO
        return seen

    return judged


def pids(deployment, name, pattern):
    """Of the machine, whose list has those of its containers too."""
    return [int(pid) for pid in deployment.ssh(name, f"pgrep -f '{pattern}'").split()]


def sent(deployment, name, pattern, signal="STOP", which=0):
    """Sends one of the processes that match a signal."""
    return lambda: deployment.ssh(name, f"kill -{signal} {pids(deployment, name, pattern)[which]}")


WORKER, CORE, API = "^VLLM::Worker", "^VLLM::EngineCore", "^[^ ]*python[^ ]* [^ ]*/vllm serve"
SUPERVISOR = "[r]ank_supervisor.py"


def test_a_worker_of_the_second_machine(deployment, stalls):
    seen = stalls("worker on node-1", sent(deployment, "node-1", WORKER), words="rank 1 on node-1.*SIGSTOP")
    assert "VLLM::Worker" in seen.summary


def test_the_api_server(deployment, stalls):
    stalls("API server", sent(deployment, "node-0", API), words="rank 0 on node-0.*vllm.*SIGSTOP")


@pytest.mark.parametrize("name", NODES)
def test_the_supervisor_itself(deployment, stalls, name):
    """Its guard is its parent; a stopped one leaves its engine and the other machine's rank alone."""
    words, which = f"rank {name[-1]} on {name}.*supervisor", 1
    line = "the supervisor of rank"
    stalls(f"supervisor on {name}", sent(deployment, name, SUPERVISOR, which=which), words=words, line=line, where=name)


def test_what_guards_the_supervisor_is_let_go_on(deployment, client):
    began = time.time()
    sent(deployment, "node-1", SUPERVISOR)()
    until(lambda: first(log(deployment, "node-1"), "what guards the supervisor was stopped", began)[0], 60, pause=2)
    assert client.served(began)


def test_a_rank_that_loops(deployment, stalls):
    """It computes all the time, and its stack says where; the other one waits for it, and is not blamed."""
    looping = sent(deployment, "node-1", WORKER, "USR2")
    seen = stalls("a rank that loops", looping, words="rank 1 on node-1.*loop_for_ever")
    assert "loop_for_ever" in seen.summary


def test_a_worker_of_the_first_machine(deployment, stalls):
    seen = stalls("worker on node-0", sent(deployment, "node-0", WORKER), words="rank 0 on node-0.*SIGSTOP")
    words = ["-m", "stacks.logs", "test", f"--since={round(seen.again) + 120}s", "--grep=no token for"]
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=deployment.environment, capture_output=True, text=True, check=True
    )
    assert re.search(r"node-0 engine +tandem: no token for .*rank 0 on node-0 gives no sign .*SIGSTOP", done.stdout)


def test_the_gateway(deployment, webhook, client):
    """Nobody starts it again by itself; what mends it is reported, and the engine is left alone."""
    began = time.time()
    caddy = pids(deployment, "node-0", "^caddy run")[0]
    deployment.ssh("node-0", f"kill -STOP {caddy}")
    until(lambda: webhook.fired("GatewayDown", began), FOUND)
    at, alert = webhook.fired("GatewayDown", began)[0]
    print(f"gateway: alert after {at - began:.0f} s ({alert['annotations']['summary']})")
    assert alert["labels"]["machine"] == "node-0"
    assert "docker restart" in alert["annotations"]["remedy"]
    deployment.ssh("node-0", f"kill -CONT {caddy}")
    resumed = time.time()
    until(lambda: client.served(resumed), 60)
    assert not first(log(deployment), "starting the engine again|engine exited", began)[0]


def test_after_three_times_in_an_hour_it_stays_down_and_says_so(deployment, webhook, out):
    """The third one since its supervisor began: EngineCore."""
    began = time.time()
    sent(deployment, "node-0", CORE)()
    line = "the engine stood still 3 times in an hour and stays down"
    found, _ = until(lambda: [one for one in [first(log(deployment), line, began)] if one[0]], 240, pause=3)[0]
    print(f"EngineCore, the third time: down after {found - began:.0f} s")
    (stood,) = until(lambda: webhook.fired("EngineStoodStill", began), FOUND)[:1]
    assert re.search("rank 0 on node-0.*EngineCore.*SIGSTOP", stood[1]["annotations"]["summary"])
    until(lambda: webhook.fired("EngineDown", began), 300)
    time_left = time.time() + 60
    while time.time() < time_left:
        assert chat(out, MODEL).code == 503
    assert "starting the engine (attempt" not in "\n".join(said for at, said in log(deployment) if at > found)


@pytest.fixture(scope="module")
def shares(deployment):
    """The storage of both machines by a share that can hang, from the next containers on."""
    folder = deployment.folder / "machines/nfs/shares/share"
    made = {name: HangingShare(folder, "/mnt/tandem", deployment.machine(name).facts()["leader"]) for name in NODES}
    yield made
    for share in made.values():
        share.close()


@pytest.fixture(scope="module")
def ray(deployment, webhook, client, shares):
    deployment.config["serving"]["executor"] = "ray"
    bring_up(deployment, webhook)
    until(lambda: client.served(time.time() - 10), 120)
    return deployment


def test_with_ray_an_actor_of_the_second_machine(ray, stalls):
    seen = stalls("Ray's actor on node-1", sent(ray, "node-1", "^ray::.*Worker"), words="rank 1 on node-1.*SIGSTOP")
    assert "ray::" in seen.summary


GONE = r"tandem: (engine exited with|no token for)"


def test_with_ray_an_actor_that_is_gone(ray, stalls):
    """vLLM notices by itself, and its supervisor starts it again."""
    stalls(
        "Ray's actor on node-1 killed", sent(ray, "node-1", "^ray::.*Worker", "KILL"), alert="EngineEnded", line=GONE
    )


@pytest.mark.parametrize(("name", "service"), [("node-1", "raylet"), ("node-0", "gcs_server")])
def test_with_ray_a_service_of_ray(ray, webhook, client, name, service):
    """Its guard ends it, and Ray begins anew on that machine; so its workers end, and the engine. Both start then."""
    began, fault = time.time(), sent(ray, name, f"[{service[0]}]{service[1:]}")
    known = {"deployment": ray, "webhook": webhook, "client": client, "alert": "EngineEnded", "line": GONE}
    seen = happen(f"{service} on {name}", fault, **known)
    ended, _ = first(log(ray, name, "ray"), f"{service} was stopped for 10 s", began)
    # Without its head, Ray on the other machine ends too.
    machines = NODES if service == "gcs_server" else (name,)
    start = max(first(log(ray, each, "ray"), "Ray runtime started", ended)[0] for each in machines) - ended
    print(f"{service} on {name}: Ray's own start {start:.0f} s")
    assert ended
    assert seen.alerted < FOUND
    assert seen.again - seen.found <= RATIO * (seen.start + start)


def test_storage_that_hangs_is_reported_and_an_engine_that_serves_goes_on(ray, webhook, client, shares):
    began = time.time()
    shares["node-1"].hang()
    try:
        until(lambda: webhook.fired("StorageSlow", began), FOUND)
        at, alert = webhook.fired("StorageSlow", began)[0]
        summary = alert["annotations"]["summary"]
        print(f"storage: alert after {at - began:.0f} s ({summary})")
        assert "nas:/share mounted on node-1 at /mnt/tandem" in summary
        until(lambda: time.time() > at + 90, 100, pause=1)  # as long as a stall would need
        assert {answer.code for answer in client.since(began)} == {200}
        assert not first(log(ray), GONE, began)[0]
    finally:
        shares["node-1"].go_on()


def test_an_engine_that_loads_from_storage_that_hangs_is_reported(ray, webhook, client, shares):
    """It is not ended for it, and goes on by itself."""
    began = time.time()
    for share in shares.values():
        share.hang()
    try:
        sent(ray, "node-0", CORE, "KILL")()
        until(lambda: webhook.fired("RankGivesNoSign", began), 600)
        at, alert = webhook.fired("RankGivesNoSign", began)[0]
        print(f"loading from storage that hangs: alert after {at - began:.0f} s ({alert['annotations']['summary']})")
        assert webhook.fired("StorageSlow", began)
    finally:
        for share in shares.values():
            share.go_on()
    resumed = time.time()
    until(lambda: client.served(resumed), 900, pause=1)
