"""LiteLLM's proxy and its PostgreSQL on a host, between the gateway and the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi

from components.host import Host, Mount, Programs, Workload
from components.machine import BASE, GeneratedSecret, RemoteStep
from components.team.litellm import ProxyConfig, render, render_environment

FILES = Path(__file__).parent / "files"
PORT, INNER_PORT, DATABASE_PORT = 4000, 4180, 4181
"""Of the gateway for LiteLLM's own pages; of LiteLLM and of PostgreSQL on loopback."""
USER, DATABASE_USER = "65532", "999"
"""LiteLLM's user, nobody's login; that of PostgreSQL in its official image, which must have a name there."""
SOCKET = "/tmp"  # noqa: S108  # in its own container
USER_AND_DATABASE = {"PGUSER": "litellm", "PGDATABASE": "litellm"}
DATA, PASSWORD = "/data", "/tandem/password"  # a path
CONFIG, VARIABLES = "/tandem/litellm.json", "/tandem/litellm.env"
READY_SECONDS = 600
"""It starts in half a minute; the first time it makes its tables, which takes a minute on a slow disk."""


@dataclass(frozen=True)
class TeamArgs:
    """How LiteLLM and PostgreSQL are set up.

    Attributes:
        proxy: LiteLLM's image.
        database: PostgreSQL's image.
        config: LiteLLM's settings, but for the task.
        task: what the model is for.
        base_url: where people reach LiteLLM's pages.
        port: of the gateway for these pages.
        inner_port: LiteLLM's, on loopback.
        database_port: PostgreSQL's, on loopback.
        scheme: of the gateway.
        keep: the data outlives the stack.
        master_key: makes keys, and logs in on the page; a secret; None to have one made.
        salt_key: what LiteLLM encrypts in its database with; a secret; None to have one made.
    """

    proxy: Programs
    database: Programs
    config: ProxyConfig
    task: pulumi.Input[str]
    base_url: pulumi.Input[str]
    port: int
    inner_port: int
    database_port: int
    scheme: str
    keep: bool
    master_key: pulumi.Output[str] | None = None
    salt_key: pulumi.Output[str] | None = None


class Team(pulumi.ComponentResource):
    """Virtual keys, budgets, limits and usage lie in PostgreSQL, beside the stack's own folder on the machine.

    The containers are made anew when their settings change, which cuts what runs by virtual keys; the gateway, its keys
    and the engine go on.

    Attributes:
        url: where LiteLLM's pages are, known once it has its database and shows the model.
        master_key: a secret.
        salt_key: a secret.
    """

    url: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        args: TeamArgs,
        after: Sequence[pulumi.Resource],
        gateway_version: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares it.

        Args:
            name: Pulumi name.
            host: where; the gateway is there.
            args: how it is set up.
            after: what must be done before it can be reached through the gateway.
            gateway_version: changes whenever the gateway has changed, so that it is looked at again.
            opts: Pulumi options.
        """
        super().__init__("tandem:team:Team", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        machine = host.machine
        prefix = f"{machine.name}-{name}"
        password = GeneratedSecret(f"{name}-database", opts=child).value
        self.master_key = args.master_key or _key(GeneratedSecret(f"{name}-key", opts=child))
        self.salt_key = args.salt_key or _key(GeneratedSecret(f"{name}-salt", opts=child))
        folder = f"{BASE}/data/{machine.stack}/{name}"
        data = RemoteStep(
            f"{prefix}-data",
            machine=machine,
            script=FILES / "data.sh",
            environment={"FOLDER": folder, "OWNER": DATABASE_USER, "KEEP": "yes" if args.keep else "no"},
            after=[host.prepared],
            parent=self,
        )
        database = host.run(
            f"{prefix}-database",
            Workload(
                image=args.database.id,
                entrypoint=["sh", "/tandem/postgres.sh"],
                command=[DATA, PASSWORD],
                files={"/tandem/postgres.sh": FILES / "postgres.sh", PASSWORD: password},
                # For pg_dump and the like, which people start in there.
                environment={"PGHOST": SOCKET, "PGPORT": str(args.database_port), **USER_AND_DATABASE},
                mounts=[Mount(folder, DATA)],
                user=DATABASE_USER,
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[data.done]),
        )
        variables = pulumi.Output.all(password, self.master_key, self.salt_key, args.base_url).apply(
            lambda known: render_environment(
                database_url=f"postgresql://litellm:{known[0]}@127.0.0.1:{args.database_port}/litellm",
                master_key=known[1],
                salt_key=known[2],
                base_url=known[3],
            )
        )
        config = pulumi.Output.from_input(args.task).apply(
            lambda task: json.dumps(render(replace(args.config, task=task)), indent=1)
        )
        proxy = host.run(
            prefix,
            Workload(
                image=args.proxy.id,
                entrypoint=["sh", "/tandem/litellm.sh"],
                command=[VARIABLES, CONFIG, str(args.inner_port)],
                environment={"HOME": "/tmp"},  # noqa: S108  # in its own container
                files={"/tandem/litellm.sh": FILES / "litellm.sh", VARIABLES: variables, CONFIG: config},
                user=USER,
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[database.resource]),
        )
        ready = RemoteStep(
            f"{prefix}-ready",
            machine=machine,
            script=FILES / "ready.sh",
            files={**host.step_files, "ready.py": FILES / "ready.py"},
            environment={
                "CONTAINERS": pulumi.Output.concat(proxy.name, " ", database.name),
                "VERSIONS": pulumi.Output.concat(proxy.id, "-", database.id, "-", gateway_version),
                "PORT": str(args.port),
                "INNER_PORT": str(args.inner_port),
                "SCHEME": args.scheme,
                "MODEL": args.config.model,
                "READY_SECONDS": str(READY_SECONDS),
            },
            secrets={"KEY": self.master_key},
            long=True,
            timeout=READY_SECONDS + 60,
            after=[proxy.resource, *after],
            parent=self,
        )
        self.url = pulumi.Output.all(args.base_url, ready.result).apply(lambda both: str(both[0]))
        self.register_outputs({"url": self.url})


def _key(secret: GeneratedSecret) -> pulumi.Output[str]:
    """LiteLLM's keys begin with `sk-`."""
    return pulumi.Output.concat("sk-", secret.value)
