"""Each type by the real provider code: create, read, import, update, change behind its back, replace, delete.

The cloud is localcloud/cloud without machines: what is proved is that the provider's code and the local cloud agree.
"""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.alicloud.api import Api
from tests.engine.alicloud_calls import CALLED
from tests.engine.alicloud_table import TABLE, camel, program, properties, resolved, shown
from tests.support.project import Project
from tests.support.provider import aliproject, cloud, pytestmark
from tests.support.provider import program as with_provider

__all__ = ["aliproject", "cloud", "pytestmark"]  # fixtures and mark are that module's

PRODUCTS = {"Ecs": "ecs", "Vpc": "vpc", "NAS": "nas"}
HIDDEN = 2  # the stack and the provider are resources too
LISTS = {
    ("vpc", "DescribeVpcs"): "Vpcs.Vpc",
    ("vpc", "DescribeVSwitches"): "VSwitches.VSwitch",
    ("vpc", "DescribeEipAddresses"): "EipAddresses.EipAddress",
    ("ecs", "DescribeInstances"): "Instances.Instance",
    ("ecs", "DescribeSecurityGroups"): "SecurityGroups.SecurityGroup",
    ("ecs", "DescribeDisks"): "Disks.Disk",
    ("ecs", "DescribeKeyPairs"): "KeyPairs.KeyPair",
    ("nas", "DescribeFileSystems"): "FileSystems.FileSystem",
    ("nas", "DescribeAccessGroups"): "AccessGroups.AccessGroup",
    ("ecs", "DescribeNetworkInterfaces"): "NetworkInterfaceSets.NetworkInterfaceSet",
}


@dataclass
class Account:
    """The account as a project sees it, and as somebody does who changes things behind its back.

    Attributes:
        project: of the table's programs.
        cloud: the local cloud's status.
        api: for what isn't the provider's.
        own: how often `api` called each action, so that the rest are the provider's calls.
        spent: seconds by phase.
    """

    project: Project
    cloud: dict[str, Any]
    api: Api
    own: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    def lap(self, phase: str) -> None:
        """The seconds since the last one."""
        self.spent[phase] = time.monotonic() - self.began - sum(self.spent.values())

    def program(self, phase: str) -> None:
        """Makes the table's program of a phase the project's."""
        self.project.program(with_provider(self.cloud, program(phase)))

    def state(self) -> dict[str, Any]:
        """The resources in the state by name."""
        return self.project.resources()

    def agrees(self, phase: str, part: str = "") -> None:
        """A refresh changes nothing, and then the state has each value of the table, as the cloud has it."""
        self.project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
        state, wrong = self.state(), []
        for name, row in TABLE.items():
            wanted = properties(name, phase)
            for key in getattr(row, part) if part else wanted:
                found, expected = shown(name, key, state), resolved(wanted[key], state)
                if found != expected:
                    wrong.append((name, key, found, expected))
        assert not wrong

    def call(self, product: str, action: str, **parameters: object) -> dict[str, Any]:
        """A call that isn't the provider's."""
        self.own[(product, action)] += 1
        return self.api.call(PRODUCTS[product], action, **parameters)

    def journal(self) -> list[dict[str, Any]]:
        """Every call so far."""
        return [json.loads(line) for line in Path(self.cloud["calls"]).read_text().splitlines()]


@pytest.fixture
def account(aliproject: Project, cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", cloud["accessKey"])
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", cloud["secretKey"])
    account = Account(aliproject, cloud, Api(cloud["region"], cloud["endpoint"]))
    yield account
    # A failed test leaves no machine that its clean-up can't delete.
    for each in list(account.api.pages("ecs", "DescribeInstances", "Instances.Instance")):
        account.api.call("ecs", "ModifyInstanceAttribute", InstanceId=each["InstanceId"], DeletionProtection="false")


@pytest.mark.long  # every type, property by property
def test_every_type_and_property(account: Account, tmp_path: Path) -> None:
    """The table of alicloud_table.py, whole and in one life; every call of the provider is known and answered."""
    create_and_read(account)
    bring_in(account, Project.make(tmp_path / "other"))
    update(account)
    drift_and_repair(account)
    replace(account)
    account.project.pulumi("destroy", "--yes", "--skip-preview")
    assert account.state() == {}
    account.lap("delete")
    journal = account.journal()
    left = [each for (product, action), path in LISTS.items() for each in account.api.pages(product, action, path)]
    assert not [each for each in left if not str(each.get("AccessGroupName")).startswith("DEFAULT_")]
    print("; ".join(f"{phase} {seconds:.0f} s" for phase, seconds in account.spent.items()))

    bad = {(each["action"], each["code"]) for each in journal if each["status"] >= 500 or "Action" in each["code"]}
    assert not bad, "the provider calls what the local cloud lacks"
    counts = Counter((each["product"], each["action"]) for each in journal) - account.own
    called = set(counts)
    assert not called ^ CALLED, f"for tests/engine/alicloud_calls.py: more {called - CALLED}, less {CALLED - called}"


def create_and_read(account: Account) -> None:
    account.program("creates")
    assert account.project.up() == {"create": len(TABLE) + HIDDEN}
    account.lap("create")
    account.agrees("creates")
    arrived(account)
    assert account.project.up() == {"same": len(TABLE) + HIDDEN}
    account.lap("read")


def arrived(account: Account) -> None:
    """What the provider doesn't read back is in the cloud all the same."""
    machine, wanted = account.state()["machine"]["id"], TABLE["machine"].creates
    instance = account.call("Ecs", "DescribeInstances", InstanceIds=json.dumps([machine]))["Instances"]["Instance"][0]
    assert instance["AutoReleaseTime"][:16] == wanted["auto_release_time"][:16]
    data = account.call("Ecs", "DescribeUserData", InstanceId=machine)["UserData"]
    assert base64.b64decode(data).decode() == wanted["user_data"]
    disk = account.call("Ecs", "DescribeDisks", InstanceId=machine)["Disks"]["Disk"][0]
    assert {each["TagKey"]: each["TagValue"] for each in disk["Tags"]["Tag"]} == wanted["volume_tags"]


def bring_in(account: Account, other: Project) -> None:
    """A second stack imports all of it by ids, with the same inputs, and then has nothing to do."""
    ids = {name: account.state()[name]["id"] for name in TABLE}
    other.program(with_provider(account.cloud, program("creates", ids)))
    assert other.up() == {"create": HIDDEN, "import": len(TABLE)}
    assert other.up() == {"same": len(TABLE) + HIDDEN}
    account.lap("import")


def update(account: Account) -> None:
    """In place: every id stays."""
    account.program("updates")
    changed = sum(bool(row.updates) for row in TABLE.values())
    before = {name: each.get("id") for name, each in account.state().items()}
    assert account.project.up() == {"same": len(TABLE) - changed + HIDDEN, "update": changed}
    assert before == {name: each.get("id") for name, each in account.state().items()}
    account.agrees("updates", "updates")
    pairs = account.call("Ecs", "DescribeKeyPairs", KeyPairName="other", IncludePublicKey="true")["KeyPairs"]["KeyPair"]
    assert pairs[0]["PublicKey"] == TABLE["other"].creates["public_key"]  # idle: the provider made no call
    account.lap("update")


def drift_and_repair(account: Account) -> None:
    """A refresh sees what somebody else changed, `up` puts it back."""
    touched = {name: row for name, row in TABLE.items() if row.strange[1]}
    state = account.state()
    for row in touched.values():
        product, action, parameters = row.strange
        # A parameter that is a resource's name stands for its id.
        named = {k: str(state[v]["id"]).split(":")[-1] if v in state else v for k, v in parameters.items()}
        account.call(product, action, **named)
    account.project.pulumi("refresh", "--yes", "--skip-preview")
    drifted = account.state()
    for name, row in touched.items():
        assert row.seen or name not in drifted
        for key, value in row.seen.items():
            assert drifted[name]["outputs"][key] == resolved(value, state), (name, key)
    gone = sum(not row.seen for row in touched.values())
    assert account.project.up() == {
        "same": len(TABLE) - len(touched) + HIDDEN,
        "update": len(touched) - gone,
        "create": gone,
    }
    account.agrees("updates", "updates")
    account.lap("drift")


def replace(account: Account) -> None:
    """The provider's own schema names each property as a reason, and what only updates is none."""
    account.program("replaces")
    steps = json.loads(account.project.pulumi("preview", "--json"))["steps"]
    reasons = {each["urn"].split("::")[-1]: set(each.get("replaceReasons") or []) for each in steps}
    wrong = {}
    for name, row in TABLE.items():
        found = reasons.get(name, set())
        missed = {camel(key) for key in row.replaces} - found
        extra = {camel(key) for key in [*row.updates, *row.along] if key not in row.replaces} & found
        if missed or extra:
            wrong[name] = (missed, extra, found)
    assert not wrong
    before = account.state()
    account.project.up()
    after = account.state()
    assert [name for name, row in TABLE.items() if row.replaces and before[name]["id"] == after[name]["id"]] == []
    account.agrees("replaces", "replaces")
    account.lap("replace")
