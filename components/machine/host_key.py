"""A rented machine's SSH host keys, made before the machine, so that its first answer can be checked."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
from pulumi_command import local

from components.machine.agent_call import agent_call


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 pair.

    Attributes:
        private: OpenSSH's format, a secret.
        public: `ssh-ed25519 BASE64`.
    """

    private: pulumi.Output[str]
    public: pulumi.Output[str]


class HostKeys:
    """Two pairs made at the first `up` and kept, their private halves encrypted.

    Attributes:
        first: the one in the machine's user data, which others may read for as long as the machine lives. The lease
            trusts it for its first connection, and replaces it.
        own: the one that the machine shows from then on, and that everything else pins.
    """

    first: KeyPair
    own: KeyPair

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        made = local.Command(
            f"{name}-made",
            create=agent_call("host-keys"),
            logging=local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["stdout"])),
        )
        stdout: pulumi.Output[str] = pulumi.Output.secret(made.stdout)
        pairs = stdout.apply(json.loads)
        self.first, self.own = _pair(pairs, "first"), _pair(pairs, "own")


def _pair(pairs: pulumi.Output[dict[str, dict[str, str]]], which: str) -> KeyPair:
    return KeyPair(
        private=pairs.apply(lambda found: found[which]["private"]),
        public=pulumi.Output.unsecret(pairs.apply(lambda found: found[which]["public"])),
    )
