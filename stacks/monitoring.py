"""Monitoring of a deployment, from settings: what is asked where, and the plan's figures beside what is measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pulumi

from components.gateway import Monitored
from components.host import Mount, Node
from components.machine import GeneratedSecret
from components.monitoring import PATH, Monitoring, MonitoringArgs, MonitoringLogin, Ports
from components.serving import Replica, find_engine
from planner import Plan, ReservedEstimate
from stacks.gateway import Front
from stacks.platforms.alicloud import release_time
from stacks.programs import monitoring_programs
from stacks.settings import ports
from stacks.settings.stack import Settings

LOGIN = "monitoring"


def monitoring_ports(settings: Settings) -> Ports:
    """Where its parts listen."""
    return Ports.starting_at(settings.monitoring.first_port, settings.monitoring.exporter_port)


def behind_gateway(settings: Settings) -> Monitored | None:
    """What the gateway passes on to; None where monitoring is off. The password comes later, as a secret."""
    if not settings.monitoring.enabled:
        return None
    own = monitoring_ports(settings)
    return Monitored(
        LOGIN, "", own.prometheus, own.alertmanager, own.grafana if settings.monitoring.grafana else None, own.gateway
    )


def monitoring_password(settings: Settings, given: pulumi.Output[str] | None) -> pulumi.Output[str] | None:
    """The login's: the given one, or one that is made; None where monitoring is off."""
    if not settings.monitoring.enabled:
        return None
    return given if given is not None else GeneratedSecret("monitoring-password").value


def make_monitoring(
    settings: Settings,
    plan: Plan | None,
    *,
    nodes: Sequence[Node],
    front: Front,
    engine: Replica,
    password: pulumi.Output[str] | None,
    receivers: Mapping[str, pulumi.Output[str]],
    after: pulumi.Resource,
) -> dict[str, pulumi.Output[object]]:
    """Declares it once the deployment has answered; its address is an output when the login was tried.

    Args:
        settings: checked settings.
        plan: theirs; None where there is none.
        nodes: all, the gateway's first.
        front: the gateway.
        engine: the engine.
        password: of the login; None where monitoring is off.
        receivers: parts of the secret `alertReceivers`.
        after: what comes before.
    """
    if password is None:
        return {}
    section, hosts = settings.monitoring, [node.host for node in nodes]
    head = hosts[0]
    kind = find_engine(settings.serving.engine, settings.serving.executor)
    gpus = settings.accelerator.kind == "nvidia" and head.has_containers
    programs = {
        program: head.prepare(program, monitoring_programs(settings, program)).id
        for program in ("prometheus", "alertmanager", *(["grafana"] if section.grafana else []))
    }
    exporters = {"node": "node_exporter", **({"gpu": "dcgm-exporter"} if gpus else {})}
    root = front.gateway.url.apply(lambda url: url.removesuffix("/v1") + PATH)
    monitoring = Monitoring(
        "monitoring",
        hosts=hosts,
        args=MonitoringArgs(
            ports=monitoring_ports(settings),
            programs=programs,
            exporters=[
                {
                    name: host.prepare(
                        f"{host.machine.name}-{name}-exporter", monitoring_programs(settings, program)
                    ).id
                    for name, program in exporters.items()
                }
                for host in hosts
            ],
            python=nodes[0].image,
            python_mounts=[Mount.parse(text) for text in settings.images.mounts],
            retention=section.retention,
            max_gib=section.max_gib,
            engine_port=settings.serving.port,
            engine_metrics=bool(kind.counters),
            ray_port=ports.ray_ports(settings).metrics_export if kind.ray_resource else None,
            npu_port=section.npu_exporter_port,
            gateway_port=0 if settings.gateway.tls.mode == "none" else settings.gateway.port,
            storage=settings.storage.path or settings.storage.folder,
            accelerators=settings.accelerators,
            release=(release_time(settings.cloud.auto_release_hours, time.time()) or "") if settings.cloud else "",
            spot=bool(settings.cloud and settings.cloud.spot_price_limit),
            planned=planned_figures(plan),
            load_seconds=engine.ready.apply(lambda found: found.get("ready_seconds", "")),
            mail=section.mail.args if section.mail else None,
        ),
        url=root,
        receivers=receivers,
        after=[after],  # nothing of a deployment that loads is slowed down by it
    )
    login = MonitoringLogin(
        "monitoring-login",
        url=root,
        user=LOGIN,
        password=password,
        grafana=section.grafana,
        authority=front.authority,
        trigger=pulumi.Output.concat(monitoring.version, "-", front.gateway.version),
        through=None if settings.gateway.url else head.machine.jump,
        after=[monitoring],
    )
    return {
        "monitoringUrl": login.url,
        "monitoringLogin": pulumi.Output.from_input(LOGIN),
        "monitoringPassword": password,
    }


def planned_figures(found: Plan | None) -> dict[str, float]:
    """The plan's figures by name; none where there is no plan."""
    if found is None:
        return {}
    figures = {"first_token_seconds": found.timeline.seconds}
    figures["load_seconds"] = sum(
        step.seconds for step in found.timeline.steps if step.name in ("engine", "load", "graphs")
    )
    if found.price:
        figures["price_cny_per_hour"] = found.price
    if isinstance(found.estimate, ReservedEstimate):
        memory, speed = found.estimate.memory, found.estimate.throughput
        figures |= {
            "kv_cache_tokens": float(memory.kv_cache_tokens),
            "concurrency": memory.max_concurrency,
        }
        if speed.rates:
            # The upper ends of the plan's ranges: for one stream, and for as many as are counted.
            figures |= {
                "decode_tokens_per_second": speed.rates[-1].decode.high,
                "decode_tokens_per_second_of_one": speed.rates[0].decode.high,
                "prefill_tokens_per_second": speed.rates[-1].prefill.high,
            }
    return {name: float(f"{value:.6g}") for name, value in figures.items()}
