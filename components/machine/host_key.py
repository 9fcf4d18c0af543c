"""A machine's SSH host key, made before the machine, so that its first answer can be checked."""

from __future__ import annotations

import json

import pulumi
from pulumi_command import local

from components.machine.agent_call import agent_call
from components.machine.local_command import run_here
from components.machine.machine import Machine
from components.machine.payload import FILES


class HostKey:
    """An ed25519 pair made at the first `up` and kept, its private half encrypted.

    Attributes:
        private: OpenSSH's format, a secret.
        public: `ssh-ed25519 BASE64`.
    """

    private: pulumi.Output[str]
    public: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        made = local.Command(
            f"{name}-made",
            create=agent_call("host-key"),
            logging=local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout"])),
        )
        stdout: pulumi.Output[str] = pulumi.Output.secret(made.stdout)
        pair = stdout.apply(json.loads)
        self.private = pair.apply(lambda p: str(p["private"]))
        self.public = pulumi.Output.unsecret(pair.apply(lambda p: str(p["public"])))


def replaced_host_key(name: str, *, machine: Machine, own: HostKey, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """Declares that the machine shows `own` in place of the key that user data gave it; once in its life.

    User data stays readable to whoever may ask the cloud for it, and on the machine. The key that stands there is
    trusted for this one connection.

    Args:
        name: Pulumi name.
        machine: as it is reached at first, by the key of its user data.
        own: the pair that everything else pins.
        opts: parent and order.
    """
    script = (FILES / "replace_host_key.sh").read_text()
    return run_here(
        name,
        call={**machine.facts(), "own_public": own.public, "own_private": own.private, "script": script},
        create=agent_call("replace-host-key"),
        triggers=[machine.identity] if machine.identity is not None else [],
        # Whatever changes about the call later: the first key is never trusted again.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["create", "stdin"])),
    )
