"""What the programs of a deployment are on its hosts: images, or environments where there are no containers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi

from components.host import Environment, Host, Mount, Programs, ProgramsArgs
from components.images import BuildArgs, same_images
from components.machine import local_command
from components.serving import Engine
from stacks import versions
from stacks.settings.native import PROGRAMS
from stacks.settings.stack import Settings


def engine_programs(settings: Settings, engine: Engine) -> ProgramsArgs:
    """The engine's: what its image lacks is added."""
    requirements = engine.image_requirements
    cpu = versions.CPU_IMAGE_ARGUMENTS if settings.accelerator.kind == "cpu" else {}
    recipe = requirements.recipe.name if requirements.recipe else ""
    return ProgramsArgs(
        image=settings.engine_image,
        environment=_environment(settings),
        image_requirements=requirements,
        build=BuildArgs(
            arguments=cpu.get(recipe) or versions.IMAGE_ARGUMENTS.get(recipe, {}),
            pip_index=settings.mirrors.pip,
            apt_mirror=settings.mirrors.apt,
            keep=settings.images.keep,
        ),
        mounts=[Mount.parse(text) for text in settings.images.mounts],
        variables=settings.serving.environment,
        accelerated=True,
    )


def webui_programs(settings: Settings) -> ProgramsArgs:
    """The page's."""
    return ProgramsArgs(
        image=settings.webui.image,
        environment=Environment(
            programs=("open-webui",),
            packages=settings.webui.packages,
            lock=versions.LOCKS / "open-webui.lock" if settings.webui.packages == versions.WEBUI_PACKAGES else None,
            path=settings.native.path,
            pip_index=settings.mirrors.pip,
            setting="webui.packages",
        ),
    )


def gateway_programs(settings: Settings) -> ProgramsArgs:
    """Caddy's."""
    return ProgramsArgs(
        image=settings.images.gateway,
        environment=Environment(
            programs=("caddy",),
            packages=settings.gateway.packages,
            path=settings.native.path,
            pip_index=settings.mirrors.pip,
            setting="gateway.packages",
        ),
    )


def monitoring_programs(settings: Settings, program: str) -> ProgramsArgs:
    """One of monitoring's: prometheus, alertmanager, grafana, node_exporter or dcgm-exporter."""
    monitoring = settings.monitoring
    images = {
        "prometheus": monitoring.prometheus_image,
        "alertmanager": monitoring.alertmanager_image,
        "grafana": monitoring.grafana_image,
        "node_exporter": monitoring.node_exporter_image,
        "dcgm-exporter": monitoring.gpu_exporter_image,
    }
    # No package index has them: a machine without containers has them already.
    there = Environment(programs=(program,), path=settings.native.path, setting="native.path")
    return ProgramsArgs(image=images[program], environment=there)


def team_programs(settings: Settings) -> tuple[ProgramsArgs, ProgramsArgs]:
    """LiteLLM's and PostgreSQL's, which run in their images only."""
    team = settings.gateway.team
    return ProgramsArgs(image=team.image), ProgramsArgs(image=team.database_image)


def same_programs(
    hosts: Sequence[Host], programs: Sequence[Programs], *, after: Sequence[pulumi.Resource] = ()
) -> tuple[list[pulumi.Resource], dict[str, pulumi.Output[object]]]:
    """What to wait for before the engine's programs are used, and the output that names its image, if there is one.

    Args:
        hosts: all of them.
        programs: the engine's, of each.
        after: what else must be done on all hosts before; whoever waits for this has waited for it.
    """
    done = [*after, *(ready.done for ready in programs if ready.done)]
    sources = [ready.source for ready in programs if ready.source is not None]
    if not sources:
        # No engine starts, and holds accelerators, while another machine is not prepared.
        order = pulumi.ResourceOptions(parent=hosts[0], depends_on=[*done, *(host.prepared for host in hosts)])
        return [local_command("engine-programs-ready", call={}, opts=order)] if len(hosts) > 1 else [], {}
    same = same_images(
        "engine-same",
        machines=[host.machine for host in hosts],
        images=sources,
        after=done,
        parent=hosts[0],
    )
    return [same], {"engineImage": sources[0]}


def _lock(engine: str, packages: Sequence[str]) -> Path | None:
    """The lock of an engine's packages, if they are those that it was made of."""
    own = {*versions.ENGINE_PACKAGES.get(engine, ()), versions.RAY_PACKAGE}
    return versions.LOCKS / f"{engine}.lock" if packages and set(packages) <= own else None


def _environment(settings: Settings) -> Environment | None:
    """Where the engine's programs are without containers; None for an engine that runs in its image only."""
    native, serving = settings.native, settings.serving
    if serving.engine not in PROGRAMS:
        return None
    programs, module = PROGRAMS[serving.engine]
    packages = native.requirements(serving.engine, serving.executor)
    return Environment(
        programs=programs,
        module=module,
        python=native.python,
        packages=packages,
        lock=_lock(serving.engine, packages),
        path=native.path,
        pip_index=settings.mirrors.pip,
        version=native.version,
        planned=versions.UNKNOWN_VLLM if serving.engine == "vllm" and native.python and not native.version else "",
    )
