"""What each runtime allows: machines with containers, and machines that lend a login and no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from stacks import versions
from stacks.settings.accelerator import OF_OWN_MACHINES
from stacks.settings.errors import Mistake
from stacks.settings.native import PROGRAMS, NativeSettings
from stacks.settings.stack import Settings


def runtime_mistakes(settings: Settings) -> Iterator[Mistake]:
    """What the runtime and other settings don't allow together."""
    native, storage = settings.runtime == "native", settings.storage
    if not native:
        if settings.native != NativeSettings():  # type: ignore[call-arg]  # every field has a default
            yield Mistake(
                "native: belongs to runtime native, and this stack's is docker; take it out, or set runtime: native"
            )
        if storage.path is not None:
            yield from _folder_there(settings)
        return
    if given := settings.accelerator.changed(OF_OWN_MACHINES):
        yield Mistake(f"accelerator.{given}: nothing is installed with runtime native; take it out")
    engine = settings.serving.engine
    if settings.platform != "hosts":
        yield Mistake(
            "runtime: native is for machines that exist already; those of Alibaba Cloud get Docker: set it to docker"
        )
    if settings.accelerator.kind == "ascend":
        yield Mistake("runtime: native knows no Ascend devices; set runtime: docker")
    if engine not in PROGRAMS:
        known = ", ".join(PROGRAMS)
        yield Mistake(
            f"runtime: {engine} runs in its image only; set runtime: docker, or serving.engine to one of {known}"
        )
    elif not (versions.ENGINE_PACKAGES.get(engine) or settings.native.path or settings.native.python):
        yield Mistake(
            f"native.path: is missing; {engine} is no pip package: name the folder of its programs on the machines"
        )
    if settings.images.mounts:
        yield Mistake("images.mounts: there are no containers with runtime native to mount into; take it out")
    if storage.server is not None:
        yield Mistake(
            "storage.server: nothing is mounted with runtime native; give storage.path, the machines' shared folder"
        )
    elif storage.path is None:
        yield Mistake(
            "storage.path: is missing; runtime native needs a folder that all machines share, such as /datadrive"
        )
    else:
        yield from _folder_there(settings)


def _folder_there(settings: Settings) -> Iterator[Mistake]:
    """What `storage.path` doesn't allow: a folder that is on the machines already, so nothing is mounted."""
    storage = settings.storage
    path = storage.path or ""
    if settings.platform != "hosts":
        yield Mistake(
            "storage.path: machines of Alibaba Cloud come with no folder; take it out, a NAS is made for them"
        )
    elif storage.server is not None:
        yield Mistake(
            "storage.path: is there already, and storage.server is mounted; take the path out, or the server where "
            "every machine has the folder"
        )
    elif not PurePosixPath(path).is_absolute():
        yield Mistake(f"storage.path: must be an absolute path, such as /{path.lstrip('./')}")
