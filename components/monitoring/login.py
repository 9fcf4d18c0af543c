"""The login to monitoring as people get it: it answers with the password and not without, and all of it runs."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.machine import Jump, url_probe

PROBE = "components/monitoring/files/monitoring_probe.py"


class MonitoringLogin(pulumi.ComponentResource):
    """Asks for the alerts' rules from here, with the login and without, and whether each program of monitoring answers.

    Attributes:
        url: the address, known only after all that was seen through it.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        url: pulumi.Input[str],
        user: str,
        password: pulumi.Input[str],
        grafana: bool,
        authority: pulumi.Input[str] = "",
        trigger: pulumi.Input[str],
        through: Jump | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Asks.

        Args:
            name: Pulumi name.
            url: the address, ending in /monitoring.
            user: the login's name.
            password: its password, a secret.
            grafana: there is one.
            authority: what the certificate is verified with, PEM; empty for this computer's public ones.
            trigger: changes whenever what serves has changed, so that it is asked again.
            through: the host between, from which it is asked; None to ask from here.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:monitoring:MonitoringLogin", name, None, opts)
        tried = url_probe(
            f"{name}-tried",
            program=PROBE,
            call={"url": url, "user": user, "password": password, "grafana": grafana},
            authority=authority,
            trigger=trigger,
            through=through,
            after=after,
            parent=self,
        )
        self.url = pulumi.Output.all(url, tried.stdout).apply(lambda both: f"{both[0]}/")
        self.register_outputs({"url": self.url})
