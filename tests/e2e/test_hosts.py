"""The whole path on two real machines: real engine, real Docker, real Ray, real vLLM, a real completion.

One deployment is changed step by step, so the tests run in this order. There is no GPU here: accelerator `cpu`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from localcloud import hosts
from localcloud.fixtures import ensure_environment, ensure_model
from stacks import logs
from tests.support.deployment import Deployment, chat, fetch
from tests.support.paths import ROOT
from tests.support.portscan import open_ports
from tests.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.engine]

MODEL = "tiny-qwen2"
NOT_EAGER = ["--max-num-seqs=4", "--kv-cache-memory-bytes=67108864", "--dtype=float32"]
PREPARED = {f"node-{n}-{what}" for n in (0, 1) for what in ("lease", "prepare-run", "prepare-done")}
RPCBIND = 111
"""Comes with the NFS client, and is none of ours."""
INSIDE = ROOT / "localcloud/fixtures/files/inside.sh"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("hosts"), "tandemh", "10.79.0.0/24", ["node-0", "node-1"])
    yield made
    made.close()


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory):
    """What one machine says: the model's greedy text, by vLLM without Tandem."""
    folder = tmp_path_factory.mktemp("one")
    shutil.copytree(ensure_model(), folder / "model")
    shutil.copy(ROOT / "tests/support/greedy.py", folder)
    done = subprocess.run(
        ["bash", str(INSIDE), str(ensure_environment()), str(folder), "python3", "/mnt/greedy.py"],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def containers(deployment, name):
    """Containers of a machine: name to id."""
    lines = deployment.ssh(name, "docker ps --format '{{.Names}} {{.ID}}'").splitlines()
    return dict(line.split() for line in lines)


def answer(deployment):
    out = deployment.outputs()
    return chat(out, MODEL)


def logins(deployment, name):
    """How many SSH logins a machine has seen."""
    return int(deployment.ssh(name, "journalctl -b -o cat | grep -c 'Accepted publickey' || true"))


def test_a_url_appears_when_a_completion_came_back(deployment):
    run = deployment.up().good()
    out = deployment.outputs()
    assert out["apiUrl"] == f"https://{deployment.machine('node-0').record.address}:8000/v1"
    assert out["model"] == MODEL
    # The completion was requested after the engine was ready, and the URL printed after that.
    assert run.text.index("node-0-engine-ready-done created") < run.text.index("answer-asked created")
    assert re.search(r"nodes=2 accelerators=2", run.text)


def test_both_machines_work_on_the_answer(deployment):
    for name in ("node-0", "node-1"):
        assert "RayWorkerProc" in deployment.ssh(name, "ps -eo args")


@pytest.mark.long  # vLLM by itself first
def test_greedy_text_equals_one_machines(deployment, one_machine):
    assert answer(deployment).said == one_machine


def test_the_pasted_curl_answers(deployment):
    """The line as the output gives it, in a shell with the project's environment; of an endless answer, a part."""
    line = deployment.outputs()["curl"].replace("pulumi stack output", "pulumi stack output --stack test")
    assert '"max_tokens": 512' in line
    line = line.replace('"max_tokens": 512', '"max_tokens": 8')
    done = subprocess.run(
        ["bash", "-c", line],
        env={**deployment.environment, "NO_PROXY": "*"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"], done.stderr


def test_what_both_machines_wrote_comes_in_one_stream(deployment, monkeypatch, capsys):
    for name, value in deployment.environment.items():
        monkeypatch.setenv(name, value)
    deployment.ssh("node-0", "true")  # writes the known hosts that the output names
    assert logs.main(["test", "--since", "1h"]) == 0
    seen = [line.split(maxsplit=3) for line in capsys.readouterr().out.splitlines()]
    assert {(machine, source) for _, machine, source, *_ in seen} >= {
        ("node-0", "engine"),
        ("node-0", "ray"),
        ("node-0", "gateway"),
        ("node-1", "ray"),
    }
    times = [time for time, *_ in seen]
    assert times == sorted(times)


def test_the_gateway_lets_in_only_the_api_and_only_with_the_key(deployment):
    out = deployment.outputs()
    url, key, authority = out["apiUrl"], out["apiKey"], out["apiCa"]
    root = url.removesuffix("/v1")
    assert fetch(f"{url}/models", key, authority=authority).code == 200
    for wrong in (None, "", "x" * 48, key.upper(), key + "x"):
        reply = fetch(f"{url}/models", wrong, authority=authority)
        assert (reply.code, json.loads(reply.body)["error"]["code"]) == (401, "invalid_api_key")
    for path in (
        "/metrics",
        "/version",
        "/v1/load_lora_adapter",
        "/pause",
        "/",
        "/v1/../metrics",
    ):
        assert fetch(root + path, key, authority=authority).code == 404, path


def test_the_engine_itself_is_not_reachable_from_outside(deployment):
    listening = deployment.ssh("node-0", "ss -Hltn 'sport = :8100'")
    assert "127.0.0.1:8100" in listening
    assert "0.0.0.0:8100" not in listening


@pytest.mark.long  # every port of two machines from two places, twice
def test_every_port_is_closed_but_ssh_and_the_url(deployment):
    """As this computer sees it, and a machine of their network that is none of theirs; the engine goes on."""
    address = deployment.machine("node-0").record.address
    third = deployment.site.create("third", address.replace(".11", ".19"), memory_mib=512)
    third.wait_for_ssh()
    watchers = {"outside": "", "inside": third.paths.netns}

    def scan():
        machines = {name: deployment.machine(name).record.address for name in ("node-0", "node-1")}
        return {
            (name, watcher): open_ports(at, namespace=namespace) - {RPCBIND}
            for name, at in machines.items()
            for watcher, namespace in watchers.items()
        }

    # Preparing them anew is a look at what is there: nft is installed for this.
    changed = {"inner-addresses", "node-0-firewall", "node-1-firewall"}
    changed |= {name for name in PREPARED if not name.endswith("-lease")}
    assert deployment.up(firewall={"enabled": False}).good().changed() == changed
    before = scan()
    for seen in before.values():
        assert seen & set(range(6380, 6386)), "Ray's own"
        assert seen & set(range(10002, 11000)), "of Ray's workers"
    assert deployment.up().good().changed() == changed
    assert scan() == {
        ("node-0", "outside"): {22, 8000},
        ("node-0", "inside"): {22, 8000},
        ("node-1", "outside"): {22},
        ("node-1", "inside"): {22},
    }
    assert answer(deployment).code == 200
    third.destroy()


def test_no_secret_stands_in_clear(deployment):
    """State, logs and files readable by others, process lists, units: on this side and on the machines."""
    key = deployment.outputs()["apiKey"]
    private = deployment.site.key.read_text().splitlines()[2]
    token = deployment.ssh(
        "node-0",
        "docker exec test-x true 2>/dev/null; docker exec $(docker ps -qf name=node-0-ray) cat /tandem/ray-token",
    )
    assert len(token.strip()) == 48
    state = "".join(
        p.read_text(errors="replace") for p in (deployment.folder / "stacks").rglob("*.json*") if p.is_file()
    )
    assert "ciphertext" in state or "v1:" in state
    for secret in (key, private, token.strip()):
        assert secret not in state
    for name in ("node-0", "node-1"):
        seen = deployment.ssh(
            name,
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; systemctl cat 'tandem-*' 2>/dev/null;"
            "find / -xdev -path /proc -prune -o -type f -perm -o+r -newer /etc/hostname -size -2M "
            "-not -path '/var/lib/docker/*' -print0 | xargs -0 cat 2>/dev/null; docker ps -q | xargs docker inspect;"
            "docker ps -q | xargs -n1 docker logs 2>&1; cat /var/lib/tandem/*/steps/*/*/log",
        )
        for secret in (key, private, token.strip()):
            assert secret not in seen, name


def test_an_up_without_changes_runs_nothing_anywhere(deployment):
    before = [logins(deployment, n) for n in ("node-0", "node-1")]
    run = deployment.up().good()
    assert run.changed() == set()
    # The only logins since are the ones that counted.
    assert [logins(deployment, n) for n in ("node-0", "node-1")] == [b + 1 for b in before]


@pytest.mark.long  # test_gateway_faults.py does it with a stream, test_native.py with a whole deployment
def test_a_key_comes_and_goes_while_streams_run_and_no_container_is_touched(deployment):
    """Streams follow each other through both `up`s, and none is cut; what a key asks is counted."""
    before = {n: containers(deployment, n) for n in ("node-0", "node-1")}
    out, ended = deployment.outputs(), threading.Event()
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Count."}], "max_tokens": 64, "stream": True}
    body |= {"ignore_eos": True}

    def streams() -> list[str]:
        seen = []
        while not ended.is_set():
            url = f"{out['apiUrl']}/chat/completions"
            seen.append(fetch(url, out["apiKey"], json.dumps(body).encode(), out["apiCa"]).body.strip()[-12:])
        return seen

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(streams)
        try:
            changed = {"node-0-gateway-configured-run", "node-0-gateway-metrics", "answer-asked", "api-key-ci-made"}
            gateway = {"keys": ["ci"], "metricsCidrs": ["127.0.0.0/8"]}
            assert deployment.up(gateway=gateway).good().changed() == changed
            key = deployment.outputs()["apiKeys"]["ci"]
            assert fetch(f"{out['apiUrl']}/models", key, authority=out["apiCa"]).code == 200
            counts = "curl --insecure -fs https://localhost:8000/gateway/metrics/keys"
            until(lambda: '_requests_total{key="ci",code="200"} 1\n' in deployment.ssh("node-0", counts))
            assert deployment.ssh("node-0", "systemctl is-enabled tandem-test-node-0-gateway-metrics") == "enabled\n"
            counting = "ps -o user= -p $(pgrep -f [k]ey_metrics.py | tail -n 1)"
            assert deployment.ssh("node-0", counting).strip() == "65532"
            assert deployment.up().good().changed() == changed
            assert "gateway-metrics" not in deployment.ssh("node-0", "ls /etc/systemd/system")
            assert fetch(f"{out['apiUrl']}/models", key, authority=out["apiCa"]).code == 401
        finally:
            ended.set()
    assert set(running.result()) == {"data: [DONE]"}
    assert {n: containers(deployment, n) for n in ("node-0", "node-1")} == before


@pytest.mark.long  # a whole engine starts anew
def test_one_setting_of_the_engine_restarts_only_the_engine(deployment):
    before = {n: containers(deployment, n) for n in ("node-0", "node-1")}
    run = deployment.up(serving={"maxModelLen": 256}).good()
    assert run.changed() == {
        "node-0-engine",
        "node-0-engine-ready-run",
        "node-0-engine-ready-done",
        "answer-asked",
    }
    after = {n: containers(deployment, n) for n in ("node-0", "node-1")}
    assert after["node-1"] == before["node-1"]
    assert {n for n in after["node-0"] if after["node-0"][n] != before["node-0"][n]} == {"tandem-test-node-0-engine"}
    assert answer(deployment).code == 200


def test_a_third_machine_leaves_the_first_two_alone(deployment):
    """Seen by preview: the steps of the first two machines are the same to the letter."""
    third = {"name": "node-2", "address": deployment.machine("node-1").record.address.replace(".12", ".13")}
    deployment.known_hosts.write_text(
        deployment.site.known_hosts + f"{third['address']} {deployment.machine('node-1').record.host_key}\n"
    )
    steps = deployment.preview(
        machines=[*deployment.config["machines"], third],
        serving={"tensorParallelSize": 1, "pipelineParallelSize": 3, "maxModelLen": 256},
    )
    deployment.known_hosts.write_text(deployment.site.known_hosts)
    ops = {step["urn"].rsplit("::", 1)[-1]: step["op"] for step in steps}
    assert ops["node-2-prepare-run"] == "create"
    assert {ops.get(name, "same") for name in PREPARED} == {"same"}
    assert {ops.get(f"node-{n}-ray", "same") for n in (0, 1)} == {"same"}


@pytest.mark.long  # a whole engine starts anew; test_rank_supervisor.py does it with a small one
def test_a_rank_that_dies_comes_back_with_its_group_on_ray(deployment):
    rank = deployment.ssh("node-1", "pgrep -f ray::RayWorkerProc").split()[0]
    deployment.ssh("node-1", f"kill -9 {rank}")
    until(lambda: answer(deployment).code != 200, 120)
    until(lambda: answer(deployment).code == 200, 240)


@pytest.mark.long  # a whole engine starts anew
def test_without_ray_the_answer_is_the_same_and_no_ray_is_left(deployment, one_machine):
    deployment.up(serving={"executor": "mp"}).good()
    assert answer(deployment).said == one_machine
    assert not any("ray" in c for n in ("node-0", "node-1") for c in containers(deployment, n))


@pytest.mark.long  # goes on from the test above
def test_a_rank_that_dies_comes_back_with_its_group_without_ray(deployment):
    def log():
        return deployment.ssh("node-0", "docker logs tandem-test-node-0-engine 2>&1")

    before = log().count("the group is whole, starting the engine")
    engine = "docker exec tandem-test-node-1-engine pgrep -f 'bin/vllm serve'"
    first = deployment.ssh("node-1", engine).split()[0]
    deployment.ssh("node-1", f"docker exec tandem-test-node-1-engine kill -9 {first}")
    # Until the old engine is down it may still answer.
    until(lambda: log().count("the group is whole, starting the engine") > before, 120)
    assert "rank 1: engine exited" in log()
    until(lambda: answer(deployment).code == 200, 240)


@pytest.mark.long  # goes on from the test above
def test_a_rank_that_stands_still_without_dying_is_found_and_the_group_started_again(deployment):
    """Its API and its health page live on; found by a question that the engine leaves without an answer."""

    def log():
        return deployment.ssh("node-0", "docker logs tandem-test-node-0-engine 2>&1")

    before = log().count("starting the engine again")
    worker = deployment.ssh("node-1", "docker exec tandem-test-node-1-engine pgrep -f VLLM::Worker").split()[0]
    deployment.ssh("node-1", f"docker exec tandem-test-node-1-engine kill -STOP {worker}")
    until(lambda: log().count("starting the engine again") > before, 180)
    assert "rank 1 on node-1 gives no sign" in log()
    assert "SIGSTOP" in log()
    until(lambda: answer(deployment).code == 200, 240)


@pytest.mark.long
@pytest.mark.parametrize("executor", ["ray", "mp"])  # the next test goes on without Ray
def test_a_pipeline_over_both_machines_says_the_same(deployment, one_machine, executor):
    """Pipelines don't run eagerly on CPU: their first start compiles."""
    environment = {k: v for k, v in deployment.config["serving"]["environment"].items() if k != "TORCHDYNAMO_DISABLE"}
    split = {"tensorParallelSize": 1, "pipelineParallelSize": 2}
    run = deployment.up(serving={"executor": executor, **split, "arguments": NOT_EAGER, "environment": environment})
    run.good()
    assert answer(deployment).said == one_machine


@pytest.mark.long
def test_a_third_machine_is_added_and_the_first_two_are_not_prepared_again(deployment, one_machine):
    """No step of theirs runs and the gateway stays. Their engines must be new: each knows the number of ranks.

    Three ranks compile, which takes minutes on two cores.
    """
    names = ["node-0", "node-1", "node-2"]
    hosts.start(deployment.site, names, deployment.subnet)
    before = {n: containers(deployment, n) for n in names[:2]}
    environment = {k: v for k, v in deployment.config["serving"]["environment"].items() if k != "TORCHDYNAMO_DISABLE"}
    split = {"tensorParallelSize": 1, "pipelineParallelSize": 3}
    run = deployment.up(
        machines=[{"name": n, "address": deployment.machine(n).record.address} for n in names],
        serving={"executor": "mp", **split, "arguments": NOT_EAGER, "environment": environment},
    ).good()
    old = {name for name in run.changed() if not name.startswith("node-2")}
    assert old == {
        "node-0-engine",
        "node-1-engine",
        "node-0-engine-ready-run",
        "node-0-engine-ready-done",
        "answer-asked",
        "node-0-firewall",
        "node-1-firewall",
    }
    after = {n: containers(deployment, n) for n in names}
    assert after["node-0"]["tandem-test-node-0-gateway"] == before["node-0"]["tandem-test-node-0-gateway"]
    assert set(after["node-2"]) == {"tandem-test-node-2-engine"}
    assert answer(deployment).said == one_machine


@pytest.mark.long  # a whole engine starts anew
def test_an_engine_that_says_healthy_and_cannot_answer_is_not_ready(deployment):
    """A pipeline run eagerly loads, answers /health with 200, and dies on its first request."""
    run = deployment.up(serving={"executor": "mp", "tensorParallelSize": 1, "pipelineParallelSize": 2}).bad()
    assert "node-0-engine-ready-done created" not in run.text
    assert re.search(
        r"engine-ready: the engine (ended before .* \(rank \d on node-\d, .*\)|is up but its first .* failed): ",
        run.text,
    )


@pytest.mark.long  # test_llamacpp.py does it with an engine that loads faster
def test_an_engine_that_ends_while_loading_says_why(deployment):
    run = deployment.up(serving={"executor": "mp", "arguments": ["--tokenizer=/nowhere", "--enforce-eager"]}).bad()
    assert "the engine ended before its first completion" in run.text
    assert "/nowhere" in run.text


@pytest.mark.long  # test_ports.py does it with the step that says so
def test_a_port_that_is_taken_is_named(deployment):
    deployment.ssh("node-0", "systemd-run --unit=squatter python3 -m http.server 8107 --bind 127.0.0.1")
    run = deployment.up(serving={"executor": "mp", "port": 8107}).bad()
    deployment.ssh("node-0", "systemctl stop squatter")
    assert re.search(r"port 8107, which serving.port needs, is held by .*python3", run.text)


def test_destroy_works_when_a_machine_is_gone_and_cleans_the_other(deployment):
    deployment.machine("node-1").kill()
    run = deployment.destroy().good()
    assert re.search(r"node-1 .*not reached.*nothing was removed there", run.text)
    left = deployment.ssh(
        "node-0",
        "docker ps -aq; ls /var/lib/tandem /mnt/tandem 2>/dev/null; systemctl list-units --no-legend 'tandem*'",
    )
    assert left.strip() == ""
    assert "kept the packages" in run.text
