"""What machines must reach outside: by the settings, so that each has a name when it is not reached."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from stacks.doctor.addresses import Place
from stacks.settings.model import Repository
from stacks.settings.stack import Settings

HUBS = {
    "huggingface": "https://huggingface.co",
    "modelscope": "https://www.modelscope.cn",
    "openmind": "https://modelers.cn",
}
"""The hubs' own addresses (components/weights/files/hubs.py)."""
DOCKER_HUB = "docker.io"
DOCKER_HUB_API = "https://registry-1.docker.io"


@dataclass(frozen=True)
class Way:
    """Something that has to be reached; one of its URLs is enough.

    Attributes:
        setting: which one names it.
        urls: where, the preferred one first.
    """

    setting: str
    urls: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Scheme, host and port of the first."""
        parts = urlsplit(self.urls[0])
        return f"{parts.scheme}://{parts.netloc}"


def ways_of(settings: Settings, place: Place, *, whole: bool) -> list[Way]:
    """What a machine has to reach; each origin once.

    Args:
        settings: of the stack.
        place: the machine.
        whole: the weights are there already, so no hub is asked any more.
    """
    found = []
    fetches = place.number is None or (settings.platform == "hosts" and place.number == 0)
    if fetches and not whole:
        for setting, repository in (("model", settings.model), *(("model.more", each) for each in settings.model.more)):
            if url := _hub(repository):
                found.append(Way(f"{setting}.endpoint" if repository.endpoint else f"{setting}.source", (url,)))
    if place.number is not None and settings.runtime == "docker":
        images = {"images.engine": settings.engine_image, "images.gateway": settings.images.gateway}
        if settings.webui.enabled:
            images["webui.image"] = settings.webui.image
        found += [Way(setting, _registry(settings, image)) for setting, image in images.items()]
    if place.number is not None and settings.mirrors.pip:
        found.append(Way("mirrors.pip", (settings.mirrors.pip,)))
    seen: dict[str, Way] = {}
    for way in found:
        seen.setdefault(way.origin, way)
    return list(seen.values())


def _hub(repository: Repository) -> str:
    if repository.source == "git-lfs":
        return repository.id
    return repository.endpoint or HUBS.get(repository.source, "")


def _registry(settings: Settings, image: str) -> tuple[str, ...]:
    """Where an image's registry answers; a name's first part is a host if it looks like one (distribution spec)."""
    host, slash, _ = image.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host = DOCKER_HUB
    if host == DOCKER_HUB:
        mirrors = [mirror.rstrip("/") for mirror in settings.mirrors.registry_mirrors]
        return tuple(f"{url}/v2/" for url in (*mirrors, DOCKER_HUB_API))
    scheme = "http" if host in settings.mirrors.insecure_registries else "https"
    return (f"{scheme}://{host}/v2/",)
