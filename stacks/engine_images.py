"""The engine's image on every machine: pulled, and made whole where it lacks something."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.containers import fitting_image
from components.host import Host
from components.images import BuildArgs, complete_image, same_images
from components.serving.engine import Engine
from stacks import versions
from stacks.settings.stack import Settings


def engine_images(
    settings: Settings, engine: Engine, hosts: Sequence[Host], stack: str
) -> tuple[list[pulumi.Output[str]], pulumi.Output[str], pulumi.Resource]:
    """Each host's image id, the image they came from, by digest, and what to wait for before one is used."""
    needs = engine.needs
    cpu = versions.CPU_IMAGE_ARGUMENTS if settings.accelerator.kind == "cpu" else {}
    recipe = needs.recipe.name if needs.recipe else ""
    images = [
        complete_image(
            f"{host.machine.name}-engine-whole",
            host=host,
            stack=stack,
            image=settings.engine_image,
            image_id=fitting_image(
                f"{host.machine.name}-engine-image", host=host, stack=stack, image=settings.engine_image
            ),
            needs=needs,
            args=BuildArgs(
                arguments=cpu.get(recipe) or versions.IMAGE_ARGUMENTS.get(recipe, {}),
                pip_index=settings.mirrors.pip,
                apt_mirror=settings.mirrors.apt,
                keep=settings.images.keep,
            ),
            mounts=settings.images.mounts,
            environment=settings.serving.environment,
        )
        for host in hosts
    ]
    same = same_images("engine-same", hosts=hosts, images=images, stack=stack)
    return [image.id for image in images], images[0].base, same
