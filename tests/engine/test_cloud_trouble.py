"""Trouble with the account, from the first `up` to the last `destroy`: what the user reads, and that nothing is left.

The rented part of the real program runs by the real engine and provider; nothing boots, so what needs SSH is left out.
Each case has an account of its own, so all run at once.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.alicloud.leftovers import leftovers
from localcloud.cloud import daemon
from stacks import sweep
from tests.support.provider import pytestmark
from tests.support.renting import Renting, renting
from tests.support.waiting import until

__all__ = ["pytestmark"]  # that module's

UP = ("up", "--yes", "--skip-preview")
TYPE, SMALL = "ecs.g7.large", "ecs.u1-c1m2.large"


@pytest.mark.long  # a stack for each case
def test_what_is_wrong_with_the_account_is_one_sentence_and_changes_nothing(tmp_path: Path) -> None:
    """Before anything is declared: keys, clock, an instance type and a NAS class that nobody sells."""
    with renting(tmp_path) as project:

        def refusal(*parts: str) -> None:
            done = project.run(*UP)
            assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout
            assert all(part in done.stdout for part in parts), done.stdout

        right = dict(project.keys)
        project.keys["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = right["ALIBABA_CLOUD_ACCESS_KEY_ID"]
        refusal("nothing was changed: DescribeInstances was refused: SignatureDoesNotMatch: the account does not know")
        project.keys["ALIBABA_CLOUD_ACCESS_KEY_ID"] = "LTAInobody"
        refusal("InvalidAccessKeyId.NotFound: the account does not know these keys: put the id")
        project.keys.update(right)
        project.fault(kind="error", action="*", status=400, code="InvalidTimeStamp.Expired", message="x", times=0)
        refusal("InvalidTimeStamp.Expired: this computer's clock differs from the cloud's by more than 15 minutes")
        project.no_faults()
        project.configure(candidates=[{"zone": "cn-hangzhou-h", "instanceType": "ecs.g99.large"}])
        refusal("no candidate holds 2 machines now; nothing was rented:", "ecs.g99.large is sold in no zone now")
        project.configure()
        daemon.ask(
            project.cloud,
            "POST",
            "nas-stock",
            {"zone": "cn-hangzhou-h", "storage": "Performance", "available": False},
        )
        refusal("cloud.nas: zone cn-hangzhou-h has no NAS of class Performance; set cloud.nas.zone to ")
        assert project.everything() == []


def test_a_range_that_somebody_uses_is_reported_and_his_network_is_left_alone(tmp_path: Path) -> None:
    """In a VPC that is adopted; only creating the vSwitch shows it."""
    with renting(tmp_path) as project:
        vpc = project.api().call("vpc", "CreateVpc", CidrBlock="172.20.0.0/16")["VpcId"]
        until(
            lambda: project.api().call("vpc", "DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"][0]["Status"] == "Available", 20
        )
        project.api().call("vpc", "CreateVSwitch", VpcId=vpc, ZoneId="cn-hangzhou-i", CidrBlock="172.20.0.0/17")
        his = project.everything()
        project.configure(vpcId=vpc)
        done = project.run(*UP)
        assert done.returncode != 0
        assert (
            "network-vswitch-h was not created (InvalidCidrBlock.Overlapped): the range is taken or not the VPC's: "
            "set cloud.vpcCidr to a part that is free" in done.stdout
        ), done.stdout
        project.pulumi("destroy", "--yes", "--skip-preview")
        assert project.everything() == his


def lost_answers(project: Renting) -> None:
    """Of what is no machine: the provider asks again, and nothing is there twice but for a while."""
    for action in (
        "CreateVpc",
        "CreateFileSystem",
        "CreateSecurityGroup",
        "CreateAccessGroup",
        "CreateMountTarget",
        "AllocateEipAddress",
    ):
        project.fault(kind="lost", action=action)
    said = project.pulumi(*UP)
    assert "deleting access group proj-test" in said, said
    assert len(project.api().call("vpc", "DescribeVpcs")["Vpcs"]["Vpc"]) == 1
    assert len(project.api().call("vpc", "DescribeEipAddresses")["EipAddresses"]["EipAddress"]) == 1


def a_lost_machine(project: Renting) -> None:
    """One of two: both go, the sentence says why; the second isn't asked for when its turn comes later."""
    project.fault(kind="lost", action="RunInstances", type=TYPE)
    said = project.run(*UP).stdout
    orders = [each for each in project.calls("RunInstances") if each["params"]["InstanceType"] == TYPE]
    released = re.search(
        r"2 x ecs.g7.large in cn-hangzhou-h: not available \(the connection broke before the answer came\); what "
        r"this run rented of them is released; run `pulumi refresh --yes --target [^`]+`, then `pulumi up` \((\d) "
        r"released\)",
        said,
    )
    assert released and int(released[1]) == len(orders), said
    assert "Signature" not in said and "AccessKeyId" not in said
    assert project.machines().keys() <= {"fetcher"}, "nothing is ordered after a failure, so it may not be there yet"


def a_lost_fetcher(project: Renting) -> None:
    project.fault(kind="error", action="CreateFileSystem", status=403, code="User.Disabled", message="x")
    said = project.run(*UP).stdout
    key = project.keys["ALIBABA_CLOUD_ACCESS_KEY_ID"][:8]
    assert (
        f"storage-files was not created (User.Disabled): NAS is not activated for the account of AccessKey {key}... "
        "(ALIBABA_CLOUD_ACCESS_KEY_ID), or its balance is too small for that: activate it" in said
    ), said
    project.fault(kind="lost", action="RunInstances", type=SMALL)
    said = project.run(*UP).stdout
    assert "fetcher ecs.u1-c1m2.large in cn-hangzhou-h: not available (the connection broke before" in said, said
    assert project.machines() == {}
    project.fault(kind="balance", type=TYPE, times=0)
    said = project.run(*UP).stdout
    assert (
        "2 x ecs.g7.large in cn-hangzhou-h: not available (InvalidAccountStatus.NotEnoughBalance); what this run "
        f"rented of them is released; the balance of the account of AccessKey {key}... (ALIBABA_CLOUD_ACCESS_KEY_ID) "
        "does not cover it: top it up in the console; then run `pulumi refresh --yes --target" in said
    ), said
    assert project.machines().keys() == {"fetcher"}


def pending(project: Renting) -> list[dict[str, Any]]:
    """What the engine is about to make, as its state says."""
    file = project.directory / "state/.pulumi/stacks/proj/test.json"
    found: list[dict[str, Any]] = json.loads(file.read_text())["checkpoint"]["latest"].get("pending_operations") or []
    return found


def killed_between_order_and_answer(project: Renting) -> None:
    """The order is out, the engine dies: the machine is in no state; two at once are refused; all is found again."""
    project.fault(kind="slow", action="RunInstances", type=TYPE, seconds=8, times=2)
    begun = subprocess.Popen(
        ["pulumi", "--non-interactive", *UP],
        cwd=project.directory,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while "fetcher" not in project.machines():  # ordered when the machines are, give or take the mount target's 5 s
        assert time.monotonic() < deadline and begun.poll() is None
    second = project.run(*UP)
    assert second.returncode != 0 and "the stack is currently locked by 1 lock(s)" in second.stdout, second.stdout
    # Until both orders have arrived: the provider asks much before it orders.
    while any(each["struck"] < each["times"] for each in daemon.ask(project.cloud, "GET", "faults", {})):
        assert time.monotonic() < deadline and begun.poll() is None
    assert any("node-0-instance" in each["resource"]["urn"] for each in pending(project))
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    while not {"node-0", "node-1"} <= project.machines().keys():
        assert time.monotonic() < deadline
    project.pulumi("cancel", "--yes")
    project.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    project.pulumi(*UP)
    found = project.api().pages("ecs", "DescribeInstances", "Instances.Instance")
    known = {each["id"] for each in project.resources().values() if each["type"] == "alicloud:ecs/instance:Instance"}
    assert {each["InstanceId"] for each in found} == known and len(known) == 3


def stays_as_it_is_when_it_rests(project: Renting, fetcher: str) -> None:
    """After a refresh there is nothing to do, also while the fetcher stands in economical mode without a place."""
    project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    project.api().call("ecs", "StopInstance", InstanceId=fetcher, StoppedMode="StopCharging")
    status = lambda: project.api().call("ecs", "DescribeInstanceAttribute", InstanceId=fetcher)["Status"]  # noqa: E731
    until(lambda: status() == "Stopped")
    project.pulumi("refresh", "--yes", "--skip-preview")
    project.pulumi("preview", "--expect-no-changes")


def gone_behind_our_back(project: Renting) -> None:
    """A spot machine taken back and one released by hand: shown by a refresh, rented again; then all of them, twice."""
    project.pulumi(*UP)
    before = project.machines()
    stays_as_it_is_when_it_rests(project, before["fetcher"])
    daemon.ask(project.cloud, "POST", "reclaim", {"instance": before["node-0"], "seconds": 1})
    project.api().call("ecs", "DeleteInstance", InstanceId=before["node-1"], Force=True)
    deadline = time.monotonic() + 30
    while project.machines().keys() != {"fetcher"}:
        assert time.monotonic() < deadline
    said = project.pulumi("refresh", "--yes", "--skip-preview")
    assert "node-0-instance delete" in said and "node-1-instance delete" in said, said
    project.pulumi(*UP)
    after = project.machines()
    assert after.keys() == before.keys() and not set(after.values()) & {before["node-0"], before["node-1"]}
    for identity in after.values():
        project.api().call("ecs", "DeleteInstance", InstanceId=identity, Force=True)


CASES: list[Callable[[Renting], None]] = [
    lost_answers,
    a_lost_machine,
    a_lost_fetcher,
    killed_between_order_and_answer,
    gone_behind_our_back,
]


@pytest.mark.long  # a stack for each case
def test_whatever_happened_a_destroy_leaves_nothing(tmp_path: Path) -> None:
    """Each case ends in `destroy`, without a refresh and without another `up` before it."""

    def live(case: Callable[[Renting], None]) -> list[str]:
        with renting(tmp_path / case.__name__) as project:
            case(project)
            project.no_faults()
            project.pulumi("destroy", "--yes", "--skip-preview")
            assert project.resources() == {}
            return project.everything()

    with ThreadPoolExecutor(len(CASES)) as pool:
        lives = {case.__name__: pool.submit(live, case) for case in CASES}
    failed = {name: life.exception() for name, life in lives.items() if life.exception()}
    assert not failed, "\n".join(f"{name}: {why!r}" for name, why in failed.items())
    assert not any(life.result() for life in lives.values()), {n: life.result() for n, life in lives.items()}


@pytest.mark.long
def test_a_lost_state_is_reported_and_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A first `up` refuses beside what is there; the sweep lists it by tag, and deletes it."""
    with renting(tmp_path) as project:
        project.fault(kind="quota", type=TYPE, times=0)
        project.run(*UP)
        if "fetcher" not in project.machines():  # the refusal may end a run before the fetcher is ordered
            project.run(*UP)
        project.no_faults()
        project.pulumi("stack", "rm", "--yes", "--force", "--preserve-config", "test")
        project.pulumi("stack", "init", "test")
        project.configure()
        said = project.run(*UP)
        assert said.returncode != 0
        assert "the account already holds what carries this stack's tag: machine i-" in said.stdout, said.stdout
        monkeypatch.setattr("stacks.project.ROOT", project.directory)
        api = project.api()
        assert sweep.main(["test"]) == 1 and "(proj-test-fetcher)" in capsys.readouterr().out
        assert sweep.main(["test", "--delete"]) == 0 and "releasing 1 machines" in capsys.readouterr().out
        assert sweep.main(["test"]) == 0 and "nothing of stack test is left" in capsys.readouterr().out
        assert leftovers(api, "proj-test") == [] and project.everything() == []
