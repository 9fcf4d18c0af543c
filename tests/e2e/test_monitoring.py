"""Monitoring of a real deployment: its login through the gateway, its targets, a stopped rank's alert, and its end.

Two machines, Docker, the real vLLM on processors, Debian's Prometheus, Alertmanager and node exporter in an image of
this computer; Grafana's image can't be had here. The webhook is the test's own.
"""

from __future__ import annotations

import time

import pytest

from tests.support.deployment import chat
from tests.support.monitored import PROGRAMS, Look, make_deployment, out, webhook
from tests.support.processes import used
from tests.support.waiting import until
from tests.support.webhook import firing, listen

__all__ = ["out", "webhook"]  # fixtures of that module
pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long, pytest.mark.timeout(2400)]

MODEL = "tiny-qwen2"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = make_deployment(tmp_path_factory.mktemp("monitoring"), "tandemo", "10.87.0.0/24")
    yield made
    made.close()


@pytest.fixture(scope="module")
def look(out, tmp_path_factory):
    return Look(out, tmp_path_factory.mktemp("ca"))


def test_the_url_answers_with_the_login_and_not_without(deployment, out, look):
    assert out["monitoringUrl"] == f"https://{deployment.machine('node-0').record.address}:8000/monitoring/"
    assert look("prometheus/-/ready").status_code == 200
    for word in (None, "Basic bW9uaXRvcmluZzp4", f"Bearer {out['apiKey']}"):
        assert look("prometheus/-/ready", login=word).status_code == 401
    shown = deployment.pulumi("stack", "output", "--stack", "test").good().text
    assert out["monitoringPassword"] not in shown


def test_every_target_is_up_and_each_rank_is_known(look):
    until(lambda: not look.down(), 60, look.down)

    def ranks():
        found = look.query("tandem_rank_state == 1")
        return {(one["metric"]["machine"], one["metric"]["rank"], one["metric"]["state"]) for one in found}

    until(lambda: ranks() == {("node-0", "0", "serving"), ("node-1", "1", "running")}, 60, ranks)


def test_no_container_has_dockers_socket_and_state_is_written_by_a_unit_that_comes_back(deployment):
    for name in ("node-0", "node-1"):
        mounts = "docker inspect --format '{{json .HostConfig.Binds}} {{json .Mounts}}' $(docker ps --quiet)"
        assert "docker.sock" not in deployment.ssh(name, mounts)
        unit = f"tandem-test-{name}-state"
        assert deployment.ssh(name, f"systemctl is-enabled {unit}; systemctl is-active {unit}") == "enabled\nactive\n"
        deployment.ssh(name, f"systemctl kill --signal=KILL {unit}")
        until(lambda name=name: deployment.ssh(name, "pgrep -f [s]tate.json || true").strip(), 30)


def test_inner_ports_are_on_loopback_or_for_the_machines_alone(deployment):
    listening = deployment.ssh("node-0", "ss -Hltn | awk '{print $4}'").split()
    inner = {one for one in listening if one.rpartition(":")[2] in {str(port) for port in range(9390, 9395)}}
    assert inner
    assert all(one.startswith("127.0.0.1:") for one in inner)


def test_a_rank_that_is_stopped_reaches_the_webhook_and_comes_back(deployment, out, webhook):
    began = time.monotonic()
    worker = deployment.ssh("node-1", "docker exec tandem-test-node-1-engine pgrep -f VLLM::Worker").split()[0]
    deployment.ssh("node-1", f"docker exec tandem-test-node-1-engine kill -STOP {worker}")
    until(lambda: "EngineStoodStill" in firing(webhook), 300)
    alert = firing(webhook)["EngineStoodStill"]
    print(f"reported after {time.monotonic() - began:.0f} s: {alert['annotations']['summary']}")
    assert "stood still" in alert["annotations"]["summary"]
    assert "started again by itself" in alert["annotations"]["remedy"]
    until(lambda: chat(out, MODEL).code == 200, 900)
    print(f"serving again after {time.monotonic() - began:.0f} s")


def test_an_alert_receiver_that_is_down_harms_nothing_and_gets_its_alerts_later(deployment, out, webhook, look):
    webhook.close()
    deployment.ssh("node-1", "docker stop tandem-test-node-1-node-exporter")
    until(lambda: look.query('ALERTS{alertname="MachineNotReached",alertstate="firing"}'), 300)
    until(lambda: float(look.query("sum(alertmanager_notifications_failed_total)")[0]["value"][1]) > 0, 240)
    assert chat(out, MODEL).code == 200
    again, began = listen(deployment.subnet), time.monotonic()
    try:
        until(lambda: "MachineNotReached" in firing(again), 300)
    finally:
        again.close()
    print(f"sent {time.monotonic() - began:.0f} s after the receiver was there again")


def test_what_it_takes(deployment):
    """Processors' time and memory of its programs, for docs/monitoring.md."""
    for name in ("node-0", "node-1"):
        taken = used(deployment.machine(name).facts()["leader"], PROGRAMS)
        for program, each in taken.items():
            print(f"{name} {program}: {each.seconds:.1f} s of a processor, {each.mib:.0f} MiB")
        assert all(each.mib for each in taken.values()) or name != "node-0"
        assert 0 < sum(each.mib for each in taken.values()) < 200


def test_turned_off_nothing_of_it_is_left(deployment):
    deployment.config["monitoring"] = {"enabled": False}
    deployment.up(timeout=1500).good()
    left = deployment.ssh(
        "node-0", "docker ps -a --format '{{.Names}}'; systemctl list-units --all --no-legend 'tandem*'"
    )
    assert not any(
        word in left for word in ("prometheus", "alertmanager", "node-exporter", "state", "relay", "metrics")
    )
    assert "tandem-test-node-0-state" not in deployment.ssh("node-0", "ls /etc/systemd/system")
