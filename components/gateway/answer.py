"""The last step of all: a completion, or what else the model is for, through the address the user gets."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.machine import Jump, url_probe

PROBE = "components/gateway/files/chat_probe.py"


class Answer(pulumi.ComponentResource):
    """Asks the model for a completion from here, through the public URL and with the key.

    Attributes:
        url: the URL's base, known only after a completion came back through it.
        text: what the model said.
    """

    url: pulumi.Output[str]
    text: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        url: pulumi.Input[str],
        model: str,
        key: pulumi.Input[str],
        authority: pulumi.Input[str] = "",
        task: pulumi.Input[str] = "chat",
        trigger: pulumi.Input[str],
        through: Jump | None = None,
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Asks.

        Args:
            name: Pulumi name.
            url: base of the API, ending in /v1.
            model: the model's served name.
            key: the API key, a secret.
            authority: what the certificate is verified with, PEM; empty for this computer's public ones.
            task: what the model is for; a question of that kind is asked.
            trigger: changes whenever what serves has changed, so that the question is asked again.
            through: the host between, from which it is asked; None to ask from here.
            after: what must be done before.
            opts: Pulumi options.
        """
        super().__init__("tandem:gateway:Answer", name, None, opts)
        probe = url_probe(
            f"{name}-asked",
            program=PROBE,
            call={"url": url, "model": model, "key": key, "task": task},
            authority=authority,
            trigger=trigger,
            through=through,
            after=after,
            parent=self,
        )
        self.text = probe.stdout
        self.url = pulumi.Output.all(url, probe.stdout).apply(lambda both: str(both[0]))
        self.register_outputs({"url": self.url})
