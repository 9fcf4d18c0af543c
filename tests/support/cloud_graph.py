"""The graph of a deployment on Alibaba Cloud, by a recorder in place of the engine."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockResourceArgs

from stacks.deployment import deploy
from stacks.load_settings import parse
from stacks.platforms import alicloud
from tests.support.graph import Answers, Recorder, recorded
from tests.support.stack_files import as_configuration, read

ACCELERATOR = re.compile(r"node-\d-collective|collective")
"""Steps that a machine without accelerator does not have: what `accelerator.kind` is there for."""


class Cloud(Answers):
    """What machines and the programs here would say."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity, outputs = super().new_resource(args)
        if args.name.endswith("-host-keys-made"):
            pair = {"private": "PRIVATE", "public": "ssh-ed25519 AAAA"}
            outputs["stdout"] = json.dumps({"first": pair, "own": pair})
        return identity, outputs


def settings_of(stack: str, webui: Any = None, gateway: Any = None, model_more: Any = None, **changes: Any) -> Any:
    values = read(stack)
    values["cloud"] = {**values["cloud"], **changes}
    values["webui"] = webui or {}
    values["gateway"] = {**values.get("gateway", {}), **(gateway or {})}
    values["model"] = {**values["model"], **({"more": model_more} if model_more else {})}
    return parse(as_configuration(values))


def graph(monkeypatch: pytest.MonkeyPatch, stack: str, **changes: Any) -> dict[str, Any]:
    """All resources of a preview without an account, by name."""
    monkeypatch.setattr(alicloud, "has_keys", lambda: False)
    monkeypatch.setenv("TANDEM_STATE", "/nowhere")
    return recorded(["cloud", stack, changes], lambda: _record(settings_of(stack, **changes)))


def _record(settings: Any) -> dict[str, Any]:
    monitor = Recorder(Cloud())
    pulumi.runtime.set_mocks(Cloud(), project="tandem", stack="t", preview=True, monitor=monitor)

    @pulumi.runtime.test
    async def run():
        return pulumi.Output.all(**await deploy(settings, api_key=None, hub_token=None))

    run()
    return monitor.seen
