"""The graph of resources that a deployment declares, by a recorder in place of the engine."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import shlex
import tarfile
from collections.abc import Callable
from typing import Any

import pulumi
from google.protobuf.json_format import MessageToDict
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks

from stacks.deployment import deploy
from stacks.load_settings import parse
from tests.support.settings import values

SAID = "nic=eth0 nofile=1024 memlock=-1 folder=/mnt/tandem/models/m id=1f path=/opt/engine/bin"


RECORDED: dict[str, dict[str, Any]] = {}
"""Graphs of this process, by what they depend on: many tests look at one. Who patches the program empties it."""


def recorded(arguments: Any, record: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The graph that `record` makes, recorded once for these arguments and this environment; read only."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    key = json.dumps([arguments, environment], sort_keys=True)
    if key not in RECORDED:
        RECORDED[key] = record()
    return RECORDED[key]


class Answers(Mocks):
    """What machines would say."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ.startswith("command:"):
            made = args.name.endswith("-made")
            said = args.inputs["stdin"] if args.inputs.get("create") == "cat" else SAID
            outputs["stdout"] = "ab" * 24 if made else said
        if args.typ == "docker:index/remoteImage:RemoteImage":
            outputs["imageId"] = "sha256:1"
        return f"{args.name}-id", outputs

    def call(self, args):
        return {}


class Recorder(MockMonitor):
    """Keeps what the program registered: by name, with everything the engine would receive."""

    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.seen: dict[str, Any] = {}

    def RegisterResource(self, request):
        self.seen[request.name] = request
        return super().RegisterResource(request)


def graph(
    monkeypatch,
    tmp_path,
    machines=2,
    executor="ray",
    *,
    runtime=None,
    webui=None,
    model=None,
    monitoring=None,
    secrets=None,
    benchmark="off",
    **changes,
):
    """All resources of a deployment, by name.

    Args:
        monkeypatch: unused by now.
        tmp_path: for key and known hosts.
        machines: how many.
        executor: of vLLM.
        runtime: settings of another runtime than docker.
        webui: settings of the page.
        model: another than the usual.
        monitoring: its settings.
        secrets: more of `deploy`'s arguments, texts that are made secrets, or mappings of such.
        benchmark: what is measured.
        changes: of `serving`.
    """
    key = tmp_path / "key"
    key.write_text("PRIVATE")
    known = tmp_path / "known_hosts"
    addresses = [f"10.0.0.{n + 1}" for n in range(machines)]
    known.write_text("".join(f"{a} ssh-ed25519 AAAA\n" for a in addresses))
    wanted = {
        "machines": [{"name": f"n{i}", "address": a} for i, a in enumerate(addresses)],
        "webui": webui or {},
        "monitoring": monitoring or {},
        "benchmark": benchmark,
        **({"model": model} if model else {}),
        **(runtime or {"images": {"engine": "registry/vllm:1"}}),
        "serving": {"tensorParallelSize": machines, "executor": executor, **changes},
    }
    files = {"privateKeyFile": str(key), "knownHostsFile": str(known)}
    return recorded([wanted, secrets], lambda: _record(parse(values(ssh=files, **wanted)), secrets or {}))


def _record(settings, secrets) -> dict[str, Any]:
    monitor = Recorder(Answers())
    pulumi.runtime.set_mocks(Answers(), project="tandem", stack="t", monitor=monitor)

    @pulumi.runtime.test
    async def run():
        outputs = await deploy(settings, api_key=None, hub_token=None, **_secret(secrets))
        return pulumi.Output.all(**outputs)

    run()
    return monitor.seen


def _secret(given):
    """The same, its texts as secrets."""
    return {k: _secret(v) if isinstance(v, dict) else pulumi.Output.secret(v) for k, v in given.items()}


def step_environment(request) -> dict[str, str]:
    """The variables of a step's script, from what its command is told or sends to the machine."""
    sent = MessageToDict(request.object)["stdin"]
    sent = sent["value"] if isinstance(sent, dict) else sent
    if sent.startswith("{"):  # agent.py packs the archive itself
        call = json.loads(sent)
        return {**call["variables"], **call.get("secrets", {})}
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(base64.b64decode(sent.split("\n", 1)[1])))) as archive:
        file = archive.extractfile("env")
        assert file is not None
        return dict(word.split("=", 1) for word in shlex.split(file.read().decode()))


def urn_name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def dependencies(seen, name) -> set[str]:
    """Names that a resource waits for, directly."""
    request = seen[name]
    found = {urn_name(u) for u in request.dependencies}
    for entry in request.propertyDependencies.values():
        found |= {urn_name(u) for u in entry.urns}
    if request.provider:
        found.add(urn_name(request.provider.rsplit("::", 1)[0]))
    return found


def reaches(seen, start: str, goal: str) -> bool:
    """Whether start waits for goal, over any number of others."""
    todo, done = [start], set()
    while todo:
        name = todo.pop()
        if name == goal:
            return True
        if name in done or name not in seen:
            continue
        done.add(name)
        todo += dependencies(seen, name)
    return False
