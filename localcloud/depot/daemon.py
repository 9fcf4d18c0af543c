"""The depot in the background: start, stop, status."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError
from localcloud.http.client import call
from localcloud.system.daemon import Daemon

START_SECONDS = 20.0
JOURNAL = "requests.jsonl"


@dataclass(frozen=True)
class Running:
    """A depot that runs; `journal` is its file of requests."""

    pid: int
    url: str
    journal: str


def start(
    state: Path,
    listen: str,
    *,
    models: Mapping[str, Path] | None = None,
    tokens: Mapping[str, str] | None = None,
    images: Path | None = None,
    wheels: Path | None = None,
    apt: Path | None = None,
) -> Running:
    """Start a depot and wait until it answers; one that runs there is kept.

    Args:
        state: folder for its process, log and journal.
        listen: ADDRESS:PORT.
        models: folder by OWNER/NAME; the tiny model when None.
        tokens: by OWNER/NAME, for models that only who shows it may fetch.
        images: an OCI image layout; the local stacks' images when None.
        wheels: folder of wheels; the download clients' when None.
        apt: folder to serve at /apt.

    Raises:
        LocalCloudError: it ended while starting, with its last line; or one runs for this state elsewhere.
    """
    found = status(state)
    url = f"http://{listen}"
    if found:
        if found.url != url:
            raise LocalCloudError(
                f"The depot of {state} runs at {found.url}: stop it first, or give the new one another --state."
            )
        return found
    words = ["depot", "serve", "--listen", listen, "--state", str(state.absolute())]
    for name, folder in (models or {}).items():
        words += ["--model", f"{name}={folder.absolute()}"]
    for name, token in (tokens or {}).items():
        words += ["--gated", f"{name}={token}"]
    for option, place in (("--images", images), ("--wheels", wheels), ("--apt", apt)):
        words += [option, str(place.absolute())] if place else []
    process = _daemon(state, f" at {listen}", words).start(url, lambda: _answers(url, state), START_SECONDS)
    return _running(process.pid, url, state)


def stop(state: Path) -> bool:
    """Stop the depot; False if none runs."""
    return _daemon(state).stop()


def status(state: Path) -> Running | None:
    """The depot that runs with this state, if one does."""
    process = _daemon(state).process()
    return _running(process.pid, process.name, state) if process else None


def _daemon(state: Path, where: str = "", words: list[str] | None = None) -> Daemon:
    return Daemon(f"The depot{where}", words or (), state / "depot.json", state / "depot.log")


def _running(pid: int, url: str, state: Path) -> Running:
    return Running(pid, url, str(state.absolute() / JOURNAL))


def _answers(url: str, state: Path) -> bool:
    """Whether it answers, and not another depot at its address."""
    try:
        return bool(call(f"{url}/depot/health", seconds=2)[1]["journal"] == str(state.absolute() / JOURNAL))
    except OSError:
        return False
