"""Prometheus, Alertmanager and Grafana on the first host, exporters on all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.host import Host, Mount, Workload
from components.machine import RemoteStep
from components.monitoring.alertmanager import MailServer, relayed, render_alertmanager
from components.monitoring.grafana import DATA, grafana_environment, grafana_provisioning
from components.monitoring.prometheus import FOLDER, PATH, Ports, Target, render_prometheus

FILES = Path(__file__).parent / "files"
NOBODY, GRAFANA = "65534", "472"
"""Users of the official images."""
COLLECTORS = (
    "cpu",
    "diskstats",
    "filesystem",
    "infiniband",
    "loadavg",
    "meminfo",
    "netclass",
    "netdev",
    "netstat",
    "textfile",
    "time",
    "timex",
)
"""Of node exporter's those that a rule or a panel asks for."""


@dataclass(frozen=True)
class MonitoringArgs:
    """What is measured, and whom it reaches.

    Attributes:
        ports: where its parts listen.
        programs: `Workload.image` of `prometheus`, `alertmanager` and `grafana` on the first host; without `grafana`
            there is none.
        exporters: `Workload.image` of `node`, and of `gpu` where a host has GPUs, a mapping a host.
        python: `Workload.image` with a python3 on the first host, the engine's.
        python_mounts: folders that containers of it get.
        retention: how long metrics are kept, such as 15d.
        max_gib: and how much of the disk they take, GiB.
        engine_port: the engine's API on loopback of the first host.
        engine_metrics: whether it has metrics there.
        ray_port: of Ray's metrics on every host; None without Ray.
        npu_port: of npu-exporters on every host; None for none.
        gateway_port: of the gateway, if it speaks TLS; 0 otherwise.
        storage: the mount point of the shared storage; empty for none.
        accelerators: how many each host serves with.
        release: when the hosts release themselves, RFC 3339; empty for never.
        spot: the cloud may take the hosts back.
        planned: the plan's figures by name; numbers.
        load_seconds: what the engine took to load, seconds; empty where it isn't known.
        mail: where alerts are mailed to; None for nowhere.
    """

    ports: Ports
    programs: Mapping[str, pulumi.Input[str]]
    exporters: Sequence[Mapping[str, pulumi.Input[str]]]
    python: pulumi.Input[str]
    python_mounts: Sequence[Mount]
    retention: str
    max_gib: int
    engine_port: int
    engine_metrics: bool
    ray_port: int | None = None
    npu_port: int | None = None
    gateway_port: int = 0
    storage: str = ""
    accelerators: Sequence[int] = ()
    release: str = ""
    spot: bool = False
    planned: Mapping[str, float] = field(default_factory=dict)
    load_seconds: pulumi.Input[str] = ""
    mail: MailServer | None = None


class Monitoring(pulumi.ComponentResource):
    """What it keeps lies below the stack's folder on the first machine, and goes with the stack.

    Nothing of the deployment waits for it or needs it: it may be down, full, or without whoever alerts are for.

    Attributes:
        version: changes whenever something of it was made anew.
    """

    def __init__(
        self,
        name: str,
        *,
        hosts: Sequence[Host],
        args: MonitoringArgs,
        url: pulumi.Input[str],
        receivers: Mapping[str, pulumi.Input[str]],
        after: Sequence[pulumi.Resource] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares it.

        Args:
            name: Pulumi name.
            hosts: all; the gateway is on the first.
            args: what is measured.
            url: where the outside reaches it, ending in /monitoring; links in alerts begin with it.
            receivers: the secret `alertReceivers`, see `render_alertmanager`.
            after: what must be done before anything of it starts.
            opts: Pulumi options.
        """
        super().__init__("tandem:monitoring:Monitoring", name, None, opts)
        self.args, self.url = args, url
        self.receivers: pulumi.Output[dict[str, str]] = pulumi.Output.secret(pulumi.Output.all(**receivers))
        head = hosts[0]
        prepared = [self._prepare(host, number, after) for number, host in enumerate(hosts)]
        running = [self._exporters(host, number, prepared[number]) for number, host in enumerate(hosts)]
        options = pulumi.ResourceOptions(parent=self, depends_on=prepared)
        running.append([self._prometheus(head, hosts, options), self._alertmanager(head, options)])
        if "grafana" in args.programs:
            running.append([self._grafana(head, options)])
        ids = [each for some in running for each in some]
        self.version = pulumi.Output.all(*ids).apply(
            lambda known: hashlib.sha256("".join(map(str, known)).encode()).hexdigest()[:12]
        )
        self.register_outputs({"version": self.version})

    def _state(self, host: Host, number: int) -> pulumi.Output[str]:
        """The configuration of files/state.py."""
        args, first = self.args, number == 0
        known: pulumi.Input[str] = args.load_seconds if first else ""
        return pulumi.Output.from_input(known).apply(lambda seconds: self._state_of(host, number, seconds))

    def _state_of(self, host: Host, number: int, load_seconds: str) -> str:
        args, first = self.args, number == 0
        measured = {"measured_load_seconds": float(load_seconds)} if load_seconds else {}
        planned = {f"planned_{name}": value for name, value in args.planned.items()}
        return json.dumps(
            {
                "stack": host.machine.stack,
                "docker": host.has_containers,
                "storage": args.storage,
                "api": args.engine_port if first else 0,
                "gateway": args.gateway_port if first else 0,
                "release": args.release,
                "spot": args.spot,
                "accelerators": args.accelerators[number],
                "gpus": args.accelerators[number] if host.accelerator.kind == "nvidia" else 0,
                "smi": host.accelerator.kind == "nvidia" and not host.has_containers,
                "figures": {**planned, **measured} if first else {},
            }
        )

    def _prepare(self, host: Host, number: int, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        folders = [f"prometheus:{NOBODY}", f"alertmanager:{NOBODY}", f"grafana:{GRAFANA}"]
        step = RemoteStep(
            f"{host.machine.name}-monitoring-setup",
            machine=host.machine,
            script=FILES / "setup.sh",
            environment={
                "OWNED": "yes" if host.has_containers else "no",
                "FOLDERS": " ".join([] if number else folders),
            },
            timeout=120,
            after=[host.prepared, *after],
            parent=self,
        )
        return step.done

    def _exporters(self, host: Host, number: int, after: pulumi.Resource) -> list[pulumi.Output[str]]:
        args, images = self.args, self.args.exporters[number]
        options = pulumi.ResourceOptions(parent=self, depends_on=[after])
        address = pulumi.Output.from_input(host.machine.peer_address).apply(_host)
        state = Mount(f"{host.machine.folder}/monitoring/state", "/state")
        root = [Mount("/", "/host", read_only=True)] if host.has_containers else []
        workloads = {
            "node-exporter": Workload(
                image=images["node"],
                entrypoint=["node_exporter"],
                command=[
                    pulumi.Output.concat("--web.listen-address=", address, f":{args.ports.node}"),
                    "--collector.disable-defaults",
                    *(f"--collector.{each}" for each in COLLECTORS),
                    "--collector.textfile.directory=/state",
                    *(["--path.rootfs=/host"] if root else []),
                ],
                mounts=[state, *root],
                sees_processes=True,  # its list of mounted file systems is that of the machine's first process
                user=NOBODY,
            )
        }
        if "gpu" in images:
            workloads["gpu-exporter"] = Workload(
                image=images["gpu"],
                entrypoint=["dcgm-exporter"],
                command=[
                    pulumi.Output.concat("--address=", address, f":{args.ports.gpu}"),
                    f"--collectors={FOLDER}/gpu-counters.csv",
                ],
                files={f"{FOLDER}/gpu-counters.csv": FILES / "gpu-counters.csv"},
                accelerated=True,
            )
        if number == 0:
            # Without anything to relay it listens and answers 404. The engine's image has Python, and is there already.
            workloads["alert-relay"] = Workload(
                image=args.python,
                entrypoint=["python3"],
                command=[f"{FOLDER}/relay.py", f"{FOLDER}/relay.json", str(args.ports.relay)],
                files={f"{FOLDER}/relay.py": FILES / "relay.py", f"{FOLDER}/relay.json": self.receivers.apply(relayed)},
                mounts=args.python_mounts,
            )
        running = [host.run(f"{host.machine.name}-{kind}", each, opts=options) for kind, each in workloads.items()]
        # It asks Docker after the ranks: no container gets its socket.
        asks = Workload(
            image="",
            entrypoint=["python3"],
            command=[f"{FOLDER}/state.py", f"{FOLDER}/state.json", "/state"],
            files={f"{FOLDER}/state.py": FILES / "state.py", f"{FOLDER}/state.json": self._state(host, number)},
            mounts=[state],
        )
        running.append(host.run_beside(f"{host.machine.name}-state", asks, opts=options))
        return [each.id for each in running]

    def _prometheus(self, head: Host, hosts: Sequence[Host], options: pulumi.ResourceOptions) -> pulumi.Output[str]:
        args, ports = self.args, self.args.ports
        config = pulumi.Output.all(*(host.machine.peer_address for host in hosts)).apply(
            lambda addresses: render_prometheus(
                [
                    Target(host.machine.name, address, "gpu" in images)
                    for host, address, images in zip(hosts, addresses, args.exporters, strict=True)
                ],
                ports,
                engine=args.engine_port if args.engine_metrics else None,
                ray=args.ray_port,
                npu=args.npu_port,
            )
        )
        rules = {f"{FOLDER}/rules/{rule.name}": rule for rule in sorted((FILES / "rules").glob("*.yml"))}
        return self._serve(
            head,
            "prometheus",
            [
                f"--config.file={FOLDER}/prometheus.json",
                "--storage.tsdb.path=/data",
                f"--storage.tsdb.retention.time={args.retention}",
                f"--storage.tsdb.retention.size={args.max_gib}GB",
            ],
            {f"{FOLDER}/prometheus.json": config, **rules},
            options,
        )

    def _alertmanager(self, head: Host, options: pulumi.ResourceOptions) -> pulumi.Output[str]:
        args, ports = self.args, self.args.ports
        config = self.receivers.apply(lambda given: render_alertmanager(given, args.mail, ports.relay))
        words = [f"--config.file={FOLDER}/alertmanager.json", "--storage.path=/data", "--cluster.listen-address="]
        return self._serve(head, "alertmanager", words, {f"{FOLDER}/alertmanager.json": config}, options)

    def _serve(
        self,
        head: Host,
        program: str,
        words: Sequence[str],
        files: Mapping[str, pulumi.Input[str] | Path],
        options: pulumi.ResourceOptions,
    ) -> pulumi.Output[str]:
        """One of Prometheus' own programs, on loopback and below the gateway's path."""
        own: list[pulumi.Input[str]] = [
            f"--web.listen-address=127.0.0.1:{getattr(self.args.ports, program)}",
            pulumi.Output.concat("--web.external-url=", self.url, f"/{program}/"),
            f"--web.route-prefix={PATH}/{program}",
        ]
        return head.run(
            f"{head.machine.name}-{program}",
            Workload(
                image=self.args.programs[program],
                entrypoint=[program],
                command=[*words, *own],
                files=files,
                mounts=[Mount(f"{head.machine.folder}/monitoring/{program}", "/data")],
                user=NOBODY,
            ),
            opts=options,
        ).id

    def _grafana(self, head: Host, options: pulumi.ResourceOptions) -> pulumi.Output[str]:
        ports = self.args.ports
        dashboards = {f"{FOLDER}/dashboards/{each.name}": each for each in (FILES / "dashboards").glob("*.json")}
        return head.run(
            f"{head.machine.name}-grafana",
            Workload(
                image=self.args.programs["grafana"],
                entrypoint=["/run.sh"],
                command=[],
                environment=grafana_environment(ports.grafana, self.url),
                files={**dashboards, **grafana_provisioning(ports.prometheus)},
                mounts=[Mount(f"{head.machine.folder}/monitoring/grafana", DATA)],
                user=GRAFANA,
            ),
            opts=options,
        ).id


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
