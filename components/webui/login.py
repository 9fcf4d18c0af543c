"""A login on the page that people get, and the model there."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.machine import Jump, url_probe

PROBE = "components/webui/files/login_probe.py"


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
        authority: pulumi.Input[str] = "",
        trigger: pulumi.Input[str],
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
            authority: what the certificate is verified with, PEM; empty for this computer's public ones.
            trigger: changes whenever what serves has changed, so that it is asked again.
            through: the host between, from which it is asked; None to ask from here.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:webui:Login", name, None, opts)
        tried = url_probe(
            f"{name}-tried",
            program=PROBE,
            call={"url": url, "model": model, "email": email, "password": password},
            authority=authority,
            trigger=trigger,
            through=through,
            after=after,
            parent=self,
        )
        self.url = pulumi.Output.all(url, tried.stdout).apply(lambda both: str(both[0]))
        self.register_outputs({"url": self.url})
