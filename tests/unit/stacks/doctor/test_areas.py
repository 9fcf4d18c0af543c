"""What facts mean: nothing is found where nothing is wrong, and each wrong fact is found by one check alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.alicloud.api import ApiError
from components.alicloud.leftovers import Leftover
from components.alicloud.security_rules import Rule, UndeclaredRule
from stacks.doctor.deadline import Answer
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Severity
from stacks.doctor.machine_probe import MachineReply
from stacks.doctor.registry import CHECKS, judge
from tests.support.examined import GROUP, certificate, container, hosts, rented

NOT = Severity.NOT_CHECKED
Change = Callable[[Evidence], None]


@pytest.fixture(autouse=True)
def _keys(tmp_path, monkeypatch):
    """The private keys that both stacks name."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "alicloud").mkdir()
    for place in (".ssh/id", "alicloud/id_ed25519"):
        (tmp_path / place).write_text("key")
        (tmp_path / place).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TANDEM_STATE", str(tmp_path))


def wrong(evidence: Evidence) -> list[tuple[str, Severity, str, str]]:
    found = [f for f in judge(evidence) if f.severity in (Severity.WARNING, Severity.ERROR)]
    assert all(each.cause and each.remedy for each in found)
    return [(f.id, f.severity, f.where, f.cause) for f in found]


def of(name: str, *path: str, **changes: Any) -> Change:
    """Changes some of a machine's facts."""

    def change(evidence: Evidence) -> None:
        found = evidence.replies[name].facts
        for part in path:
            found = found[part]
        found.update(changes)

    return change


def look(name: str, **changes: Any) -> Change:
    return lambda evidence: evidence.replies.update({name: dataclasses.replace(evidence.replies[name], **changes)})  # type: ignore[attr-defined]


def seen(question: str, value: Any) -> Change:
    return lambda evidence: evidence.outside.update({question: Answer(value)})  # type: ignore[attr-defined]


def answers(question: str, value: Any) -> Change:
    answer = Answer(failure=value) if isinstance(value, Exception) else Answer(value)
    return lambda evidence: evidence.account.update({question: answer})  # type: ignore[attr-defined]


def engine(**changes: Any) -> Change:
    """Changes node-1's engine."""

    def change(evidence: Evidence) -> None:
        evidence.replies["node-1"].facts["containers"] = [container("node-1-engine", **{"group": GROUP, **changes})]

    return change


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%MZ")


E, W = Severity.ERROR, Severity.WARNING
FULL = {"bytes": 100, "free": 1, "inodes": 100, "inodes_free": 90}
OFF = {"error": "timed out", "loss": None}
REGISTRY = {"https://registry.example/v2/": "timed out"}
BAD_GPU = "0, NVIDIA L20, 3, 4, 16, 16, 40, Not Active, Not Active"
NARROW = "0, NVIDIA L20, 0, 4, 8, 16, 40, Not Active, Not Active"
HOT = "0, NVIDIA L20, 0, 4, 16, 16, 95, Active, Active"
XID = "[12.3] NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus."
EARLY, LATE = "2026-01-01T00:00:00.123456789Z", "2026-01-02T00:00:00.1Z"
MODEL, HELD = "/mnt/tandem/models/x", "port 1, which a needs, is held by b; stop that"
NOW, DAYS = datetime.now(UTC), timedelta(days=5)
SOON, EXPIRED = certificate(ends=NOW + DAYS), certificate(ends=NOW - DAYS, refusal="expired")
REFUSED = certificate(refusal="IP address mismatch")
STALLED = {"0": {"rank": 0, "machine": "node-0", "seconds": 90}}
EXIT = {"rank": 1, "machine": "node-1", "code": 9, "words": ["out of memory"]}
ON_HOSTS: list[tuple[Change, str, Severity, str, str]] = [
    (look("node-1", error="no answer", facts={}), "machines.reached", E, "node-1", "no answer"),
    (look("node-1", late=["disks"]), "machines.reached", W, "node-1", "took too long"),
    (look("node-1", clock=-600.0), "machines.clock", E, "node-1", "600 s behind"),
    (look("node-1", clock=3.0), "machines.clock", W, "node-1", "3 s ahead"),
    (of("node-1", "disks", **{"/": FULL}), "machines.disk", E, "node-1", "/ has"),
    (of("node-1", "disks", **{"/tmp": FULL}), "machines.disk", W, "node-1", "/tmp has"),  # noqa: S108
    (of("node-1", "machine", available=1), "machines.memory", W, "node-1", "0.0 of 64.0 GiB"),
    (of("node-1", "machine", kernel="5.4.0"), "machines.kernel", W, "machines", "5.4.0"),
    (of("node-0", "peers", **{"node-1": OFF}), "network.peers", E, "node-0", "10.0.0.2"),
    (of("node-0", "peers", **{"node-1": {"error": "", "loss": 10.0}}), "network.loss", W, "node-0", "10 %"),
    (of("node-1", "fetch", **REGISTRY), "network.outside", E, "node-1", "images.engine"),
    (seen("url", "refused"), "network.url", E, "gateway.port", "refused"),
    (of("node-1", "nvidia", state=["lost"], words=["GPU is lost"]), "gpus.driver", E, "node-1", "fallen off the bus"),
    (of("node-1", "nvidia", version=["470.1"]), "gpus.driver", E, "node-1", "older than CUDA"),
    (of("node-1", "nvidia", count=["0"]), "gpus.count", E, "node-1", "1 GPUs are used"),
    (of("node-1", "bus", switches=[{}]), "gpus.fabric", E, "node-1", "error 802"),
    (of("node-1", "nvidia", gpu=[BAD_GPU]), "gpus.memory", E, "node-1", "3 uncorrected"),
    (of("node-1", "nvidia", remapped=["x, Yes, No"]), "gpus.memory", W, "node-1", "waits for a reset"),
    (of("node-1", "nvidia", xid=[XID]), "gpus.xid", E, "node-1", "XID 79"),
    (of("node-1", "nvidia", gpu=[NARROW]), "gpus.link", W, "node-1", "8 of 16"),
    (of("node-1", "nvidia", nvlink=["Link 0: 26 GB/s", "Link 1: <inactive>"]), "gpus.link", E, "node-1", "1 of 2"),
    (of("node-1", "nvidia", gpu=[HOT]), "gpus.heat", W, "node-1", "95"),
    (of("node-1", "storage", source=""), "storage.mounted", E, "node-1", "nothing is mounted"),
    (of("node-1", "storage", source="other:/"), "storage.mounted", W, "node-1", "other:/"),
    (of("node-1", "storage", "weights", MODEL, wrong="lacks a"), "storage.weights", E, "node-1", "lacks a"),
    (of("node-0", "storage", free=1), "storage.room", W, "node-0", "the storage has"),
    (of("node-1", "storage", "read", seconds=60.0), "storage.speed", W, "node-1", "4 MB/s"),
    (of("node-0", "listening", open={"8000": False, "6379": False}), "ports.listening", E, "node-0", "port 8100"),
    (of("node-1", "listening", taken=HELD), "ports.taken", E, "node-1", "held"),
    (of("node-0", "listening", "open", **{"8100": False}), "ports.loopback", E, "node-0", "no key"),
    (of("node-1", "firewall", loaded=False), "ports.firewall", E, "node-1", "not loaded"),
    (of("node-1", "firewall", unit="disabled"), "ports.firewall", W, "node-1", "reboot"),
    (seen("inner", {"node-1": [6380]}), "ports.closed", E, "node-1", "6380"),
    (seen("certificate", SOON), "certificates.lasting", W, "gateway.tls", "days"),
    (seen("certificate", EXPIRED), "certificates.lasting", E, "gateway.tls", "ended 5 days ago"),
    (seen("certificate", REFUSED), "certificates.trusted", E, "gateway.tls", "mismatch"),
    (of("node-1", containers=[]), "drift.serving", E, "node-1", "is declared and not there"),
    (engine(image="sha256:bb"), "drift.serving", W, "node-1", "sha256:bb"),
    (engine(id="other"), "drift.serving", W, "node-1", "made anew"),
    (seen("completion", "no chat came back; see what the engine says"), "serving.tokens", E, "serving", "no chat"),
    (engine(status="exited", code=137), "serving.running", E, "node-1", "exit code 137"),
    (engine(oom=True), "serving.running", E, "node-1", "lack of memory"),
    (engine(restarts=3, created=EARLY, started=LATE), "serving.running", W, "node-1", "restarted 3 times"),
    (engine(group={**GROUP, "stalled": STALLED}), "serving.ranks", E, "node-0", "no sign for 90 s"),
    (engine(group={**GROUP, "error": "all ranks wait"}), "serving.ranks", E, "node-1", "all ranks wait"),
    (engine(group={**GROUP, "exits": 2, "exit": EXIT}), "serving.ranks", W, "node-1", "out of memory"),
    (of("node-1", frozen=["vllm serve (process 7, container x)"]), "serving.frozen", E, "node-1", "stopped"),
]
RULE = UndeclaredRule("sg-1", "tandem-test-inside", "sgr-1", Rule("0.0.0.0/0", "6000/7000"))
NOT_VERIFIED = {"AttributeName": "real-name-authentication", "AttributeValues": {"ValueItem": [{"Value": "none"}]}}
TAKEN = {"LockReason": [{"LockReason": "Recycling"}]}
FRONT, ID = "tandem-test-front", "ALIBABA_CLOUD_ACCESS_KEY_ID"
LACKING = (FRONT, Rule("0.0.0.0/0", "8000/8000"))
GONE = [Leftover("machine", "i-0", "", "machine"), Leftover("security group", "sg-1", "tandem-test-inside")]


def machine(**changes: Any) -> dict[str, Any]:
    return {"InstanceId": "i-0", "InstanceName": "tandem-test-node-0", "Status": "Running", **changes}


def refusal(code: str) -> ApiError:
    return ApiError(code, "no")


def balance(amount: str) -> Change:
    return answers("balance", {"Data": {"AvailableAmount": amount, "Currency": "CNY"}})


def first_attribute(evidence: Evidence) -> None:
    evidence.account["attributes"].value["AccountAttributeItems"]["AccountAttributeItem"][0] = NOT_VERIFIED


def and_one_more(evidence: Evidence) -> None:
    evidence.account["tagged"].value.append(Leftover("public address", "eip-9", "1.2.3.4"))


IN_THE_ACCOUNT: list[tuple[Change, str, Severity, str, str]] = [
    (answers("identity", refusal("SignatureDoesNotMatch")), "account.keys", E, ID, "keys"),
    (answers("right ecs:StopInstance", refusal("Forbidden.RAM")), "account.rights", E, "RAM user", "ecs:StopInstance"),
    (answers("right nas:DescribeFileSystems", refusal("User.Disabled")), "account.rights", E, "account", "NAS"),
    (first_attribute, "account.real_name", E, "account", "real name"),
    (balance("12.00"), "account.balance", W, "account", "12 CNY"),
    (balance("-3.00"), "account.balance", E, "account", "-3 CNY"),
    (answers("machines", [machine(AutoReleaseTime=soon(hours=1))]), "account.release", W, "node-0", "releases itself"),
    (answers("machines", [machine(OperationLocks=TAKEN)]), "account.release", W, "node-0", "back"),
    (answers("machines", [machine(Status="Stopped")]), "drift.power", E, "node-0", "Stopped"),
    (answers("undeclared", [RULE]), "network.rules", E, "tandem-test-inside", "6000/7000"),
    (answers("missing", [LACKING]), "network.rules", E, FRONT, "not there"),
    (answers("tagged", GONE), "drift.account", E, "node-1-instance", "i-1"),
    (and_one_more, "drift.account", W, "public address eip-9 (1.2.3.4)", "tag"),
]


def test_nothing_is_found_where_nothing_is_wrong():
    assert wrong(hosts()) == []
    assert wrong(rented()) == []


def names(cases: list[tuple[Change, str, Severity, str, str]]) -> list[str]:
    return [f"{number}-{case[1]}" for number, case in enumerate(cases)]


@pytest.mark.parametrize("case", ON_HOSTS, ids=names(ON_HOSTS))
def test_a_fault_of_machines_is_found_by_one_check(case):
    change, id_, severity, where, word = case
    evidence = hosts()
    change(evidence)
    [(found, grade, place, cause)] = wrong(evidence)
    assert (found, grade, place) == (id_, severity, where)
    assert word in cause


@pytest.mark.parametrize("case", IN_THE_ACCOUNT, ids=names(IN_THE_ACCOUNT))
def test_a_fault_of_the_account_is_found_by_one_check(case):
    change, id_, severity, where, word = case
    evidence = rented()
    change(evidence)
    [(found, grade, place, cause)] = wrong(evidence)
    assert (found, grade, place) == (id_, severity, where)
    assert word in cause


def test_stock_and_quota_are_asked_for_machines_that_are_still_to_be_rented():
    evidence = rented()
    none_made = [each for each in evidence.stack.resources if not each.kind.endswith("Instance")]
    evidence = dataclasses.replace(evidence, stack=dataclasses.replace(evidence.stack, resources=none_made))
    evidence.account["tagged"].value[:] = [GONE[1]]
    evidence.account["machines"].value.clear()
    assert wrong(evidence) == []
    for question in [name for name in evidence.account if name.startswith("stock ")]:
        answers(question, {})(evidence)
    items = evidence.account["attributes"].value["AccountAttributeItems"]["AccountAttributeItem"]
    items[1]["AttributeValues"]["ValueItem"][0]["Value"] = "8"
    found = {each[0]: each[3] for each in wrong(evidence)}
    assert set(found) == {"account.stock", "account.quota"}
    assert "2 x ecs.g7.large take 4 vCPUs, and the quota leaves 2 of 8" in found["account.quota"]


def test_a_machine_that_is_missing_leaves_the_others_checked():
    evidence = hosts()
    evidence.replies["node-1"] = MachineReply("Connection refused")  # type: ignore[index]
    assert [each[0] for each in wrong(evidence)] == ["machines.reached"]
    evidence.replies["node-0"] = MachineReply("Connection refused")  # type: ignore[index]
    skipped = [each for each in judge(evidence) if each.severity is Severity.NOT_CHECKED]
    assert {each.cause for each in skipped if each.id.startswith("storage.")} == {"node-0: Connection refused"}


def without_settings(evidence: Evidence) -> Evidence:
    """The same machines in a stack whose settings hold a mistake."""
    return dataclasses.replace(
        evidence, stack=dataclasses.replace(evidence.stack, settings=None, resources=[], outputs={})
    )


def test_machines_are_judged_also_where_settings_do_not_hold():
    evidence = without_settings(hosts())
    assert wrong(evidence) == []
    evidence.replies["node-1"].facts["disks"]["/"]["free"] = 0
    evidence.replies["node-0"].facts["peers"]["node-1"]["error"] = "timed out"
    assert {(each[0], each[2]) for each in wrong(evidence)} == {
        ("machines.disk", "node-1"),
        ("network.peers", "node-0"),
    }
    none = dataclasses.replace(evidence, places=())
    [found] = [each for each in judge(none) if each.id == "machines.reached"]
    assert (found.severity, found.cause) == (NOT, "the settings can't be used, and name no machine")


def test_nothing_is_called_right_that_is_not_there():
    """Bare machines, before the first `up`: no share, no container, no engine, no firewall."""
    evidence = hosts()
    evidence.stack.outputs.clear()  # type: ignore[attr-defined]
    evidence = dataclasses.replace(evidence, stack=dataclasses.replace(evidence.stack, resources=[]))
    for name in ("node-0", "node-1"):
        facts = evidence.replies[name].facts
        facts.update(containers=[], fetch={"https://huggingface.co": "", "https://registry.example/v2/": ""})
        facts.update(firewall={"made": False, "loaded": False}, listening={"open": {"22": False}, "taken": ""})
        facts["storage"] = {"source": "", "there": False, "weights": {}, "read": {}}
    assert wrong(evidence) == []
    skipped = {each.id for each in judge(evidence) if each.severity is NOT}
    assert skipped >= {
        "storage.mounted",
        "storage.weights",
        "storage.room",
        "storage.speed",
        "serving.running",
        "serving.ranks",
        "ports.listening",
        "ports.loopback",
        "ports.firewall",
        "ports.closed",
        "network.url",
        "settings.state",
    }


def test_facts_of_another_shape_are_no_traceback():
    """A machine with another version of machine_state.py, say: the check says that it failed, and the others go on."""
    evidence = hosts()
    evidence.replies["node-0"].facts["disks"] = ["nonsense"]
    [found] = [each for each in judge(evidence) if each.id == "machines.disk"]
    assert found.severity is Severity.NOT_CHECKED and "the check itself failed" in found.cause
    assert wrong(evidence) == []


def test_ids_are_unique_and_named_by_their_area():
    ids = [check.id for check in CHECKS]
    assert len(set(ids)) == len(ids) >= 40
