"""An engine's image on one machine: complete as it is, or completed there (docs/decisions/0012)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.images.requirements import ImageRequirements
from components.machine import Machine, RemoteStep, Stage

FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class BuildArgs:
    """How images are built on machines.

    Attributes:
        arguments: the recipe's own arguments, such as versions; they stand in the image's history: no secrets.
        pip_index: URL of a Python package index; None is pip's own. It stays out of the image and its history.
        apt_mirror: URL of an archive that the image's own sources are exchanged for; None leaves them.
        keep: the image stays when the stack is destroyed.
    """

    arguments: Mapping[str, str] = field(default_factory=dict)
    pip_index: str | None = None
    apt_mirror: str | None = None
    keep: bool = False


def complete_image(
    *,
    image: str,
    image_id: pulumi.Input[str],
    requirements: ImageRequirements,
    args: BuildArgs,
    mounts: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
) -> Stage:
    """Asks an image for what is needed, and builds one that has it where it lacks something.

    Its result: `image`, the id of the complete one; `base`, the image as the registry names it by digest,
    `NAME@sha256:...`, or its id where no registry has it.

    Args:
        image: the name it was pulled by.
        image_id: its id, pulled.
        requirements: what it must hold.
        args: how a missing part is built.
        mounts: folders that containers of it get, `source:target[:ro]`.
        variables: environment of the engine's processes; what says where programs are is looked at.
    """
    found = variables or {}
    recipe = requirements.recipe
    files = {} if recipe is None else {f"recipe/{file.name}": file for file in _files(recipe)}
    return Stage(
        FILES / "complete.sh",
        {
            "IMAGE": image,
            "IMAGE_ID": image_id,
            "PROGRAMS": " ".join(requirements.programs),
            "MODULES": " ".join(requirements.modules),
            "RECIPE": "" if recipe is None else recipe.name,
            "ARGUMENTS": "\n".join(f"{key}={value}" for key, value in sorted(args.arguments.items())),
            "MOUNTS": "\n".join(mounts),
            "PLACES": "\n".join(f"{key}={found[key]}" for key in ("PATH", "PYTHONPATH") if key in found),
            "KEEP": "yes" if args.keep else "no",
        },
        {"probe.sh": FILES / "probe.sh", "build.sh": FILES / "build.sh", **files},
        # Where parts come from is no part of the content, and a URL may hold a password.
        secrets={"PIP_INDEX": args.pip_index or "", "APT_MIRROR": args.apt_mirror or ""},
        timeout=7200,
    )


def same_images(
    name: str,
    *,
    machines: Sequence[Machine],
    images: Sequence[pulumi.Output[str]],
    after: Sequence[pulumi.Resource],
    parent: pulumi.Resource,
) -> pulumi.Resource:
    """Done when all machines are seen to hold the same: a tag that has moved gives late ones another.

    What uses the images waits for it, and takes no value from it: a machine that is added changes this step, and must
    not make the others' containers look new.

    Args:
        name: Pulumi name; the first machine's name is put before it.
        machines: all of them.
        images: of each, by digest.
        after: done when each image is there.
        parent: the component that the step is a part of.
    """
    head = machines[0]
    pairs = [pulumi.Output.concat(m.name, "=", image) for m, image in zip(machines, images, strict=True)]
    return RemoteStep(
        f"{head.name}-{name}",
        machine=head,
        script=FILES / "same.sh",
        environment={"IMAGES": pulumi.Output.all(*pairs).apply(" ".join)},
        timeout=30,
        after=after,
        parent=parent,
    ).done


def _files(recipe: Path) -> list[Path]:
    """A recipe's files, and those that all recipes share."""
    return [
        file for folder in (recipe, recipe.parent / "common") for file in sorted(folder.iterdir()) if file.is_file()
    ]
