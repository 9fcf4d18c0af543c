"""An account on a local cloud of the tests' own, and one stack in it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from localcloud import account
from localcloud.cloud import daemon
from tests.support.deployment import Deployment
from tests.support.paths import ROOT
from tests.support.tiny import with_tiny_model

PUBLIC = "100.64.78"
"""The public network of these tests, beside the one of `make up`."""
OUTSIDER = f"{PUBLIC}.250"
"""Somebody else outside: another address of this host than the administrators'."""


class Account(Deployment):
    """Pulumi.local.yaml on a cloud with state, port, public network and VPC range of its own."""

    def __init__(self, folder: Path, public: str = PUBLIC) -> None:
        self.folder, self.program = folder, ROOT
        self.config_file = folder / "Pulumi.test.yaml"
        self.cloud = folder / "alicloud"
        os.environ["TANDEM_STATE"] = str(folder)
        account.start(self.cloud, 0, f"{public}.0/24")
        self.status = daemon.status(self.cloud)
        text = (ROOT / "Pulumi.local.yaml").read_text()
        text = text.replace("127.0.0.1:8602", self.status["endpoint"]).replace("100.64.77.", f"{public}.")
        self.config = with_tiny_model({k.removeprefix("tandem:"): v for k, v in yaml.safe_load(text)["config"].items()})
        self.config["cloud"]["vpcCidr"] = "172.21.0.0/16"
        self._make_stack()
        self.environment |= account.environment(self.cloud)
        door = next(
            link["ifname"]
            for link in json.loads(subprocess.check_output(["ip", "-json", "address", "show"]))
            if any(a.get("local") == f"{public}.1" for a in link["addr_info"])
        )
        subprocess.run(
            ["ip", "address", "replace", f"{public}.{OUTSIDER.rpartition('.')[2]}/32", "dev", door], check=True
        )

    def call(self, product: str, action: str, **parameters: object) -> dict[str, Any]:
        """The cloud's API, as the user's own console would use it."""
        answer: dict[str, Any] = self.api().call(product, action, **parameters)
        return answer

    def api(self) -> Any:
        from components.alicloud.api import Api

        os.environ.update({k: v for k, v in account.environment(self.cloud).items() if k.startswith("ALIBABA")})
        return Api(self.status["region"], self.status["endpoint"])

    def fault(self, **wish: object) -> None:
        """Orders trouble."""
        daemon.ask(self.cloud, "POST", "faults", wish)

    def instances(self) -> dict[str, dict[str, Any]]:
        """The machines that are rented, by name."""
        found = self.api().pages("ecs", "DescribeInstances", "Instances.Instance")
        return {each["InstanceName"].removeprefix("tandem-test-"): each for each in found}

    def close(self) -> None:
        account.stop(self.cloud)
