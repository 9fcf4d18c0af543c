"""Caddy before the engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi

from components.gateway.caddy import FOLDER, Config, Tls, render
from components.host import Host, Mount, Workload
from components.machine import RemoteStep

FILES = Path(__file__).parent / "files"
KEY_METRICS = "key_metrics.py"
USER = "65532"
"""The user and group that Caddy runs as in a container; nobody's login on the machine."""


class Gateway(pulumi.ComponentResource):
    """Lets through only the engine's paths for its task, only with a key, only from the given ranges.

    The engine's own key guards less: its metrics, pause and tokenizer pages stay open beside it.

    A new configuration (keys, origins, paths, ports, certificates) is loaded by the Caddy that runs: no stream is cut,
    and its container stays.

    Attributes:
        url: base of the API: this machine's, or the given one, where somebody forwards it.
        version: changes whenever the gateway was made or configured anew.
        host: where it is.
    """

    def __init__(
        self,
        name: str,
        *,
        host: Host,
        image: pulumi.Input[str],
        config: Config,
        keys: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        task: pulumi.Input[str],
        tls: pulumi.Input[Tls],
        monitoring_password: pulumi.Input[str] = "",
        url: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares it.

        Args:
            name: Pulumi name.
            host: where.
            image: see `Workload.image`.
            config: its configuration, but for the rest of these arguments.
            keys: key by name, secrets.
            task: what the model is for.
            tls: the certificate, a secret.
            monitoring_password: of the login that `config.monitored` names, a secret.
            url: base of the API from outside, where somebody forwards it.
            opts: Pulumi options.
        """
        super().__init__("tandem:gateway:Gateway", name, None, opts)
        whole = pulumi.Output.all(keys, task, tls, monitoring_password).apply(lambda given: _whole(config, *given))
        text: pulumi.Output[str] = pulumi.Output.secret(whole.apply(json.dumps))
        # A word that changes with the configuration and tells nothing of it: keys have 95 bits or more.
        digest: pulumi.Output[str] = pulumi.Output.unsecret(
            text.apply(lambda t: hashlib.sha256(t.encode()).hexdigest()[:12])
        )
        workload = f"{host.machine.name}-{name}"
        native = not host.has_containers
        configured = RemoteStep(
            f"{workload}-configured",
            machine=host.machine,
            script=FILES / "configure.sh",
            files={"configure.py": FILES / "configure.py"},
            environment={
                "OWNER": "" if native else USER,
                "PLACE": "" if native else FOLDER,
                "DIGEST": digest,
            },
            secrets={
                "CONFIG": text,
                "ACME_ROOT": pulumi.Output.from_input(tls).apply(lambda t: t.root),
            },
            timeout=120,
            after=[host.prepared],
            parent=self,
        )
        folder = Mount(f"{host.machine.folder}/gateway", FOLDER)
        options = pulumi.ResourceOptions(parent=self, depends_on=[configured.done])
        if config.counts:
            program = f"/tandem/{KEY_METRICS}"
            host.run_beside(
                f"{workload}-metrics",
                Workload(
                    image="",
                    entrypoint=["python3"],
                    command=[program, FOLDER, *([] if native else [USER])],
                    files={program: FILES / KEY_METRICS},
                    mounts=[folder],
                ),
                opts=options,
            )
        running = host.run(
            workload,
            Workload(
                image=image,
                entrypoint=["caddy"],
                command=["run", "--config", f"{FOLDER}/config.json"],
                environment={
                    **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), f"{FOLDER}/data"),
                },
                mounts=[folder],
                user=USER,
            ),
            opts=options,
        )
        self.host = host
        scheme = pulumi.Output.from_input(tls).apply(lambda t: "http" if t.mode == "none" else "https")
        own = pulumi.Output.concat(pulumi.Output.unsecret(scheme), "://", host.machine.address, f":{config.port}")
        self.url = pulumi.Output.concat(url.rstrip("/").removesuffix("/v1") if url else own, "/v1")
        self.version = pulumi.Output.concat(running.id.apply(lambda i: i[:12]), "-", digest)
        self.register_outputs({"url": self.url})


def _whole(config: Config, keys: Mapping[str, str], task: str, tls: Tls, monitoring_password: str) -> dict[str, Any]:
    monitored = replace(config.monitored, password=monitoring_password) if config.monitored else None
    return render(replace(config, keys=keys, task=task, tls=tls, monitored=monitored))
