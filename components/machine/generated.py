"""A secret made once and kept in the state."""

from __future__ import annotations

import pulumi
from pulumi_command import local

from components.machine.agent_call import agent_call


class GeneratedSecret(pulumi.ComponentResource):
    """Random text made at the first `up` and kept, encrypted, ever after.

    Attributes:
        value: 48 hexadecimal digits (192 bits), a secret.
    """

    value: pulumi.Output[str]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("tandem:machine:GeneratedSecret", name, None, opts)
        made = local.Command(
            f"{name}-made",
            create=agent_call("secret"),
            logging=local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["stdout"]),
        )
        self.value = pulumi.Output.secret(made.stdout)
        self.register_outputs({})
