"""An engine's image on one machine: proven whole, or made whole there (docs/decisions/0012)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.host import Host
from components.images.needs import ImageNeeds
from components.machine import RemoteStep

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class CompletedImage:
    """What containers are made from.

    Attributes:
        id: the image's id on this machine.
        base: the image as the registry names it by digest, `NAME@sha256:...`; the id where no registry has it.
        done: done when it is whole.
    """

    id: pulumi.Output[str]
    base: pulumi.Output[str]
    done: pulumi.Resource


@dataclass(frozen=True)
class BuildArgs:
    """How images are built on machines.

    Attributes:
        arguments: the recipe's own arguments, such as versions; they stand in the image's history: no secrets.
        pip_index: URL of a Python package index; None is pip's own. It stays out of the image and its history.
        apt_mirror: URL of an archive that the image's own sources are exchanged for; None leaves them.
        keep: the image stays when the stack is destroyed.
    """

    arguments: Mapping[str, str]
    pip_index: str | None = None
    apt_mirror: str | None = None
    keep: bool = False


def complete_image(
    name: str,
    *,
    host: Host,
    stack: str,
    image: str,
    image_id: pulumi.Input[str],
    needs: ImageNeeds,
    args: BuildArgs,
    mounts: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> CompletedImage:
    """Asks an image for what is needed, and builds one that has it where it lacks something.

    Args:
        name: Pulumi name; starts with the machine's.
        host: where.
        stack: the deployment's own name on machines.
        image: the name it was pulled by.
        image_id: its id, pulled.
        needs: what it must hold.
        args: how a missing part is built.
        mounts: folders that containers of it get, `source:target[:ro]`.
        environment: of the engine's processes; what says where programs are is looked at.
    """
    told = environment or {}
    recipe = needs.recipe
    files = {} if recipe is None else {f"recipe/{file.name}": file for file in _files(recipe)}
    step = RemoteStep(
        name,
        machine=host.machine,
        stack=stack,
        script=FILES / "complete.sh",
        files={"probe.sh": FILES / "probe.sh", "build.sh": FILES / "build.sh", **files},
        environment={
            "IMAGE": image,
            "IMAGE_ID": image_id,
            "PROGRAMS": " ".join(needs.programs),
            "MODULES": " ".join(needs.modules),
            "RECIPE": "" if recipe is None else recipe.name,
            "ARGUMENTS": "\n".join(f"{key}={value}" for key, value in sorted(args.arguments.items())),
            "MOUNTS": " ".join(mounts),
            "PLACES": " ".join(f"{key}={told[key]}" for key in ("PATH", "PYTHONPATH") if key in told),
            "KEEP": "yes" if args.keep else "no",
        },
        # Where parts come from is no part of the content, and a URL may hold a password.
        secrets={"PIP_INDEX": args.pip_index or "", "APT_MIRROR": args.apt_mirror or ""},
        long=True,
        timeout=7200,
        after=[host.packages],
        parent=host,
    )
    found = pulumi.Output.all(step.result, image_id)
    return CompletedImage(
        # A step that says nothing of an image has built none.
        found.apply(lambda both: str(both[0].get("image", both[1]))),
        step.result.apply(lambda result: str(result.get("base", image))),
        step.done,
    )


def same_images(name: str, *, hosts: Sequence[Host], images: Sequence[CompletedImage], stack: str) -> pulumi.Resource:
    """Done when all machines are seen to hold the same: a tag that has moved gives late ones another.

    What uses the images waits for it, and takes no value from it: a machine that is added changes this step, and must
    not make the others' containers look new.

    Args:
        name: Pulumi name; the first machine's name is put before it.
        hosts: all hosts.
        images: of each.
        stack: the deployment's own name on machines.
    """
    head = hosts[0]
    told = [pulumi.Output.concat(h.machine.name, "=", i.base) for h, i in zip(hosts, images, strict=True)]
    return RemoteStep(
        f"{head.machine.name}-{name}",
        machine=head.machine,
        stack=stack,
        script=FILES / "same.sh",
        environment={"IMAGES": pulumi.Output.all(*told).apply(" ".join)},
        timeout=30,
        after=[image.done for image in images],
        parent=head,
    ).done


def _files(recipe: Path) -> list[Path]:
    """A recipe's files, and those that all recipes share."""
    return [
        file for folder in (recipe, recipe.parent / "common") for file in sorted(folder.iterdir()) if file.is_file()
    ]
