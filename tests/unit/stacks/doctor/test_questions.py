"""The account's questions, put to the local cloud by our own client: each is answered, and DryRun changes nothing."""

from __future__ import annotations

import json

import pytest

from components.alicloud.api import Api
from localcloud.cloud.admin import KEY_HEADER, PREFIX, Admin
from localcloud.cloud.backend import MemoryBackend
from localcloud.cloud.model import CallFault, FileSystem, Vpc
from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings as CloudOfTests
from localcloud.http.messages import Request
from stacks.doctor.account_queries import UNTRIED, questions, rights
from stacks.doctor.areas import account as area
from stacks.doctor.deadline import ask_all
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Severity
from stacks.doctor.stack import Stack
from stacks.load_settings import parse
from tests.support.settings import stack


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A cloud without machines."""
    folder = tmp_path_factory.mktemp("cloud")
    service = Service(folder, CloudOfTests.load(folder, {"backend": "memory", "speed": 1000}), MemoryBackend())
    service.start()
    yield service
    service.stop()


@pytest.fixture(autouse=True)
def _keys(world, monkeypatch):
    account = world.cloud.settings
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", account.key)
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", account.secret)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def ordered(world: Service, path: str, **order: object) -> None:
    """A call of the cloud's operator."""
    headers = {KEY_HEADER: world.cloud.settings.secret}
    answer = Admin(world.cloud).answer(Request("POST", PREFIX + path, {}, headers, json.dumps(order).encode()))
    assert answer.status == 200, answer.body


def account_of(world: Service) -> Evidence:
    config = stack("local", accelerator={"kind": "cpu"}, cloud={"endpoint": world.cloud.endpoint})
    settings = parse(config)
    assert settings.cloud
    found = Stack("test", "tandem", config, settings)
    api = Api(settings.cloud.region, settings.cloud.endpoint)
    return Evidence(found, account=ask_all(questions(found, settings, settings.cloud, api), 60))


def wrong(evidence: Evidence) -> set[tuple[str, Severity]]:
    found = [finding for check in area.CHECKS for finding in check.findings(evidence)]
    assert all(each.severity is not Severity.NOT_CHECKED for each in found), found
    return {(each.id, each.severity) for each in found if each.severity is not Severity.OK}


def test_every_question_is_answered_and_nothing_is_made(world):
    evidence = account_of(world)
    unanswered = {
        name: str(a.failure) for name, a in evidence.account.items() if a.failure and not name.startswith("right ")
    }
    assert not unanswered
    assert wrong(evidence) == set()
    assert evidence.answer("tagged") == []
    assert world.cloud.store.all(Vpc) == world.cloud.store.all(FileSystem) == []


def test_every_right_is_reported_by_its_own_refusal(world):
    evidence = account_of(world)
    for right in rights(evidence.cloud):
        fault = {"action": right.action, "times": 0, "status": 403, "code": "Forbidden.RAM", "message": "No."}
        ordered(world, "faults", kind="error", **fault)
    try:
        denied = account_of(world)
    finally:
        world.cloud.store.delete(CallFault, [each.key for each in world.cloud.store.all(CallFault)])
    [found] = [each for each in area.CHECKS[1].findings(denied) if each.severity is Severity.ERROR]
    assert all(right.name in found.cause for right in rights(evidence.cloud))
    assert not {right.name for right in rights(evidence.cloud)} & set(UNTRIED)


def test_an_account_in_trouble(world):
    ordered(world, "account", balance="0.00", realName="none")
    ordered(world, "quota", cpus=2)
    candidates = account_of(world).cloud.candidates
    for each in candidates:
        ordered(world, "stock", zone=each.zone, type=each.instance_type, left=0)
    evidence = account_of(world)
    assert wrong(evidence) == {
        (f"account.{name}", Severity.ERROR) for name in ("balance", "real_name", "quota", "stock")
    }


def test_wrong_keys(world, monkeypatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "wrong")
    [found] = area.CHECKS[0].findings(account_of(world))
    assert found.severity is Severity.ERROR and "SignatureDoesNotMatch" in found.cause
