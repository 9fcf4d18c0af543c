"""A lease on one machine and, as the configuration says, its preparation, weights and one step of a test's own."""

# ruff: noqa: E402  # as in the project's own program
from __future__ import annotations

from stacks.interrupted import end_quietly

end_quietly()

from pathlib import Path
from typing import Any

import pulumi

from components.host import HostArgs
from components.machine import Lease, Machine, RemoteStep
from components.runtime import DockerHost
from components.weights import Weights, WeightsArgs

config = pulumi.Config("tandem")
ssh: dict[str, str] = config.require_object("ssh")
storage: dict[str, str] = config.require_object("storage")
weights: dict[str, Any] = config.get_object("weights") or {}
step: dict[str, Any] = config.get_object("step") or {}

bare = Machine(
    name="node-0",
    address=ssh["address"],
    peer_address=ssh["address"],
    user="root",
    port=22,
    private_key=pulumi.Output.secret(Path(ssh["key"]).read_text()),
    host_key=ssh["hostKey"],
    stack="tandem-steps",
)
cleanup = {"MOUNT_POINT": storage["mountPoint"], **(config.get_object("cleanup") or {})}
machine = Lease("node-0-lease", machine=bare, cleanup=cleanup).machine

if step:
    steps = pulumi.ComponentResource("tandem:test:Steps", "steps")
    RemoteStep(
        f"node-0-{step['name']}",
        machine=machine,
        script=Path(step["script"]),
        environment=step.get("environment"),
        # In a file, as the SSH key is: Pulumi writes down what stands in a stack's configuration.
        secrets={"PASSWORD": pulumi.Output.secret(Path(step["secretFile"]).read_text())}
        if "secretFile" in step
        else None,
        long=step.get("long", False),
        parent=steps,
    )

if config.get_bool("prepare"):
    host = DockerHost(
        "node-0",
        machine=machine,
        args=HostArgs(
            peer=ssh["address"],
            storage_server=storage["server"],
            storage_export=storage["export"],
            mount_point=storage["mountPoint"],
            mount_options="vers=3,nolock",
            disk_minimum_gib=1,
        ),
    )
    if weights:
        token_file = weights.pop("tokenFile", None)
        token = pulumi.Output.secret(Path(token_file).read_text()) if token_file else None
        args = WeightsArgs(mount_point=storage["mountPoint"], **{"revision": None, **weights})
        Weights("weights", writer=machine, args=args, token=token, after=[host.prepared])
