"""A reverse proxy before the engine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

import pulumi

from components.containers import ContainerArgs, run_container
from components.host import Host

TEMPLATE = Path(__file__).parent / "files" / "nginx.conf"
CONFIG = "/tandem/nginx.conf"
KEY_PATTERN = re.compile(r"^[A-Za-z0-9._~+/=-]+$")
"""A bearer token's characters (RFC 6750, 2.1)."""


def render(key: str, port: int, engine_port: int, allowed_cidrs: Sequence[str]) -> str:
    """nginx's configuration.

    Raises:
        ValueError: for a key with characters that an HTTP header or the configuration can't carry.
    """
    if not KEY_PATTERN.match(key):
        raise ValueError("apiKey may hold letters, digits and . _ ~ + / = - only; make one with `openssl rand -hex 24`")
    allow = "".join(f"    allow {cidr};\n" for cidr in allowed_cidrs)
    return Template(TEMPLATE.read_text()).substitute(
        KEY=re.escape(key), PORT=port, ENGINE_PORT=engine_port, ALLOW=allow
    )


class Gateway(pulumi.ComponentResource):
    """Lets through only the paths of the OpenAI API, only with the key, only from the given ranges.

    The engine's own key guards less: its metrics, pause and tokenizer pages stay open beside it.

    Attributes:
        url: base of the API.
        version: changes whenever the gateway was made anew.
    """

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        image: pulumi.Input[str],
        stack: str,
        key: pulumi.Input[str],
        port: int,
        engine_port: int,
        allowed_cidrs: Sequence[str],
        mounts: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tandem:gateway:Gateway", name, None, opts)
        rendered = pulumi.Output.from_input(key).apply(lambda k: render(k, port, engine_port, allowed_cidrs))
        container = run_container(
            f"{host.machine.name}-{name}",
            host=host,
            stack=stack,
            args=ContainerArgs(
                image=image,
                entrypoint=["nginx"],
                command=["-c", CONFIG, "-g", "daemon off;"],
                files={CONFIG: rendered},
                mounts=mounts,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = pulumi.Output.concat("http://", host.machine.address, f":{port}/v1")
        self.version = container.id.apply(lambda i: i[:12])
        self.register_outputs({"url": self.url})
