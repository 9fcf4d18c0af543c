"""A login on the page that people get, and the model there."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_command import local

from components.machine.agent_call import agent_call, agent_input
from components.machine.machine import Jump


class Login(pulumi.ComponentResource):
    """Logs in from here as the first account and looks for the model in its list.

    Attributes:
        url: the page's address, known only after the login and the model were seen through it.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        url: pulumi.Input[str],
        model: str,
        email: str,
        password: pulumi.Input[str],
        served_by: pulumi.Input[str],
        through: Jump | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Logs in.

        Args:
            name: Pulumi name.
            url: the page's address.
            model: the model's served name.
            email: the first account's.
            password: its password, a secret.
            served_by: changes whenever what serves has changed, so that it is asked again.
            through: the host between, from which it is asked; None to ask from here.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:machine:Login", name, None, opts)
        tried = local.Command(
            f"{name}-tried",
            create=pulumi.Output.concat(agent_call("login"), " ", served_by),
            stdin=agent_input(
                {
                    "url": url,
                    "model": model,
                    "email": email,
                    "password": password,
                    **({"through": through.facts()} if through else {}),
                }
            ),
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )
        self.url = pulumi.Output.all(url, tried.stdout).apply(lambda both: str(both[0]))
        self.register_outputs({"url": self.url})
