"""What a deployment rents, by the real engine and provider, on a cloud without machines: all but what needs SSH."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from components.alicloud.api import Api
from localcloud.cloud import daemon
from tests.support.paths import ROOT
from tests.support.project import Project

_PROGRAM = """
import pulumi
from components.alicloud import compute
from stacks.load_settings import load
from stacks.platforms.alicloud import rent

class NoLease:
    def __init__(self, name, *, machine, **_):
        self.machine = machine

compute.Lease = NoLease  # nothing boots here, so nothing answers SSH

async def main():
    rented = await rent(load(), f"{pulumi.get_project()}-{pulumi.get_stack()}")
    rented.machines([rented.storage])

pulumi.run(main)
"""
_LOCK = threading.Lock()
_LISTS = (
    ("ecs", "DescribeInstances", "Instances.Instance"),
    ("ecs", "DescribeSecurityGroups", "SecurityGroups.SecurityGroup"),
    ("nas", "DescribeFileSystems", "FileSystems.FileSystem"),
    ("vpc", "DescribeEipAddresses", "EipAddresses.EipAddress"),
    ("vpc", "DescribeVpcs", "Vpcs.Vpc"),
    ("vpc", "DescribeVSwitches", "VSwitches.VSwitch"),
)


@dataclass(frozen=True)
class Renting(Project):
    """A project that rents what Pulumi.local.yaml rents, from an account of its own.

    Attributes:
        cloud: folder of the local cloud's state.
        status: the local cloud's status.
        keys: environment variables of the account, for a test to change.
    """

    cloud: Path = Path()
    status: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """As a user's shell has it after `make env`."""
        return {**super().environment(), **self.keys}

    def configure(self, **changes: Any) -> None:
        """Writes the stack's file: Pulumi.local.yaml with changes to `cloud`."""
        config = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["config"]
        config["tandem:cloud"] |= {"endpoint": self.status["endpoint"], **changes}
        config["tandem:ssh"] = {"privateKeyFile": str(self.directory / "key")}
        file = self.directory / "Pulumi.test.yaml"
        file.write_text(json.dumps((yaml.safe_load(file.read_text()) or {}) | {"config": config}))

    def fault(self, **wish: Any) -> None:
        """Orders trouble."""
        daemon.ask(self.cloud, "POST", "faults", wish)

    def no_faults(self) -> None:
        """Forgets all that was ordered."""
        daemon.ask(self.cloud, "DELETE", "faults", {})

    def api(self) -> Api:
        """The account's API, as the user's console would use it."""
        with _LOCK:  # the keys are the process's: accounts of several threads take turns
            os.environ.update({name: value for name, value in self.keys.items() if name.startswith("ALIBABA")})
            return Api(self.status["region"], self.status["endpoint"])

    def calls(self, action: str) -> list[dict[str, Any]]:
        """What the cloud was asked."""
        lines = [json.loads(line) for line in Path(self.status["calls"]).read_text().splitlines()]
        return [line for line in lines if line["action"] == action]

    def machines(self) -> dict[str, str]:
        """Ids of the machines by name, without those of one name that came before."""
        found = self.api().pages("ecs", "DescribeInstances", "Instances.Instance")
        return {each["InstanceName"].removeprefix("proj-test-"): each["InstanceId"] for each in found}

    def everything(self) -> list[str]:
        """All that the account holds, tagged or not, but what every account has."""
        api = self.api()
        found = [(path, each) for product, action, path in _LISTS for each in api.pages(product, action, path)]
        found += [
            ("AccessGroups.AccessGroup", each)
            for kind in ("standard", "extreme")
            for each in api.pages("nas", "DescribeAccessGroups", "AccessGroups.AccessGroup", FileSystemType=kind)
            if not each["AccessGroupName"].startswith("DEFAULT_")
        ]
        return [f"{path}: {each}" for path, each in found]


@contextlib.contextmanager
def renting(folder: Path) -> Iterator[Renting]:
    """A project beside its own cloud, which ends with it."""
    command = [sys.executable, "-m", "localcloud", "cloud"]
    state = folder / "cloud"
    start = [*command, "start", "--state", str(state), "--backend", "memory", "--speed", "1000"]
    status = json.loads(subprocess.check_output(start, cwd=ROOT))
    keys = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": status["accessKey"],
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": status["secretKey"],
        "SSL_CERT_FILE": status["authority"],
        "NO_PROXY": f"{status['endpoint']},127.0.0.1",
    }
    try:
        made = Project.make(folder / "project")
        project = Renting(made.directory, state, status, keys)
        for name in ("components", "planner", "stacks", ".venv"):
            (project.directory / name).symlink_to(ROOT / name)
        key = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(project.directory / "key")]
        subprocess.run(key, check=True, capture_output=True)
        project.program(_PROGRAM)
        project.configure()
        yield project
    finally:
        subprocess.run([*command, "stop", "--state", str(state)], cwd=ROOT, check=True, capture_output=True)
