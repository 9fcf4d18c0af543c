"""A reverse proxy before the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pulumi

from components.gateway.answers import ANSWERS, PATHS
from components.host import Host, Mount, Workload

FILES = Path(__file__).parent / "files"
CONFIG = "/tandem/gateway.conf"
PROGRAM = "/tandem/gateway.py"
KEY_PATTERN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""A bearer token's characters (RFC 6750, 2.1)."""


@dataclass(frozen=True)
class Front:
    """Another port that only some may reach, passed on whole to one of loopback."""

    port: int
    inner_port: int
    allowed_cidrs: tuple[str, ...]


def render(key: str, port: int, engine_port: int, allowed_cidrs: Sequence[str], fronts: Sequence[Front] = ()) -> str:
    """nginx's configuration.

    Raises:
        ValueError: for a key with characters that an HTTP header or the configuration can't carry.
    """
    _check(key)
    more = Template((FILES / "nginx_front.conf").read_text())
    passed = [
        more.substitute(PORT=front.port, INNER_PORT=front.inner_port, ALLOW=_allow(front.allowed_cidrs))
        for front in fronts
    ]
    answers = {f"ANSWER_{code}": answer for code, answer in ANSWERS.items()}
    return Template((FILES / "nginx.conf").read_text()).substitute(
        KEY=re.escape(key), PORT=port, ENGINE_PORT=engine_port, ALLOW=_allow(allowed_cidrs), PATHS=PATHS,
        FRONTS="".join(passed), **answers,
    )  # fmt: skip


def _allow(ranges: Sequence[str]) -> str:
    return "".join(f"    allow {cidr};\n" for cidr in ranges)


def render_native(
    key: str, port: int, engine_port: int, allowed_cidrs: Sequence[str], fronts: Sequence[Front] = ()
) -> str:
    """The same for files/gateway.py, which stands where there is no nginx.

    Raises:
        ValueError: for a key that an HTTP header can't carry.
    """
    _check(key)
    return json.dumps(
        {
            "port": port,
            "engine_port": engine_port,
            "key": key,
            "allowed": list(allowed_cidrs),
            "paths": PATHS,
            "answers": ANSWERS,
            "fronts": [
                {"port": front.port, "inner_port": front.inner_port, "allowed": list(front.allowed_cidrs)}
                for front in fronts
            ],
        }
    )


def _check(key: str) -> None:
    if not KEY_PATTERN.fullmatch(key):
        raise ValueError("apiKey may hold letters, digits and . _ ~ + / = - only; make one with `openssl rand -hex 24`")


class Gateway(pulumi.ComponentResource):
    """Lets through only the paths of the OpenAI API, only with the key, only from the given ranges.

    The engine's own key guards less: its metrics, pause and tokenizer pages stay open beside it.

    nginx in a container; a program of ours where there are none.

    Attributes:
        url: base of the API: this machine's, or the given one, where somebody forwards it.
        version: changes whenever the gateway was made anew.
        host: where it is.
    """

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        image: pulumi.Input[str],
        key: pulumi.Input[str],
        port: int,
        engine_port: int,
        allowed_cidrs: Sequence[str],
        mounts: Sequence[Mount],
        url: str | None = None,
        fronts: Sequence[Front] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tandem:gateway:Gateway", name, None, opts)
        native = not host.has_containers
        make = render_native if native else render
        config = pulumi.Output.from_input(key).apply(lambda k: make(k, port, engine_port, allowed_cidrs, fronts))
        container = host.run(
            f"{host.machine.name}-{name}",
            Workload(
                image=image,
                entrypoint=["python3", PROGRAM] if native else ["nginx"],
                command=[CONFIG] if native else ["-c", CONFIG, "-g", "daemon off;"],
                files={CONFIG: config, **({PROGRAM: (FILES / "gateway.py").read_text()} if native else {})},
                mounts=mounts,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.host = host
        own = pulumi.Output.concat("http://", host.machine.address, f":{port}")
        self.url = pulumi.Output.concat(url.rstrip("/").removesuffix("/v1") if url else own, "/v1")
        self.version = container.id.apply(lambda i: i[:12])
        self.register_outputs({"url": self.url})
