"""A machine's SSH host key, made before the machine, so that its first answer can be checked."""

from __future__ import annotations

import json

import pulumi
from pulumi_command import local

from components.machine.agent_call import agent_call


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
