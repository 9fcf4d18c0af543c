"""Open WebUI on a host, connected to the engine behind the gateway."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.host import Host, Mount, Workload
from components.machine import GeneratedSecret

FILES = Path(__file__).parent / "files"
SCRIPT, VARIABLES = "/tandem/webui.sh", "/tandem/webui.env"
DATA = "/app/backend/data"
INNER_PORT = 8180
"""Where it listens on loopback; the gateway lets in whom the settings name."""


@dataclass(frozen=True)
class WebUiArgs:
    """How Open WebUI is set up (names of variables read and run in 0.12.4, open_webui/env.py and config.py).

    Attributes:
        image: see `Workload.image`.
        engine_port: of the engine's API, on loopback of the same machine.
        admin_email: the first account's login.
        admin_password: its password, a secret. It counts when the account is made, at the first start.
        port: where it listens on loopback.
    """

    image: pulumi.Input[str]
    engine_port: int
    admin_email: str
    admin_password: pulumi.Input[str]
    port: int = INNER_PORT


def render_environment(args: WebUiArgs, password: str, secret: str) -> str:
    """Lines for a shell."""
    variables = {
        "HOST": "127.0.0.1",
        "PORT": str(args.port),
        "WEBUI_AUTH": "true",
        "WEBUI_SECRET_KEY": secret,
        "WEBUI_ADMIN_EMAIL": args.admin_email,
        "WEBUI_ADMIN_PASSWORD": password,
        "ENABLE_SIGNUP": "false",
        "OPENAI_API_BASE_URLS": f"http://127.0.0.1:{args.engine_port}/v1",
        "OPENAI_API_KEYS": "",  # the gateway asks for keys, and the engine's own port for none
        "ENABLE_OLLAMA_API": "false",
        # The stack's settings decide at each start, not what an earlier start has written down.
        "ENABLE_PERSISTENT_CONFIG": "false",
        # Everybody with an account may use the model: that is what the page is for.
        "BYPASS_MODEL_ACCESS_CONTROL": "true",
        # Nothing is fetched from the model hubs while it starts.
        "OFFLINE_MODE": "true",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


class WebUi(pulumi.ComponentResource):
    """Accounts and chats lie below the stack's folder on the machine, and go with the stack.

    Attributes:
        version: changes whenever it was made anew.
    """

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        args: WebUiArgs,
        mounts: Sequence[Mount] = (),
        environment: Mapping[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares it.

        Args:
            name: Pulumi name.
            host: where; the gateway is there.
            args: how it is set up.
            mounts: more folders mounted into its container.
            environment: more of its environment, nothing secret.
            opts: Pulumi options.
        """
        super().__init__("tandem:webui:WebUi", name, None, opts)
        session = GeneratedSecret(f"{name}-session", opts=pulumi.ResourceOptions(parent=self)).value
        variables = pulumi.Output.all(args.admin_password, session).apply(
            lambda known: render_environment(args, *known)
        )
        running = host.run(
            f"{host.machine.name}-{name}",
            Workload(
                image=args.image,
                entrypoint=["bash", SCRIPT],
                command=[VARIABLES],
                environment={**(environment or {}), "DATA_DIR": DATA},
                files={SCRIPT: FILES / "webui.sh", VARIABLES: variables},
                mounts=[*mounts, Mount(f"{host.machine.folder}/webui", DATA)],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.version = running.id.apply(lambda i: i[:12])
        self.register_outputs({})
