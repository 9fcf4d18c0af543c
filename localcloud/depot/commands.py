"""`python -m localcloud depot`."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from localcloud.depot import daemon
from localcloud.depot.repository import Repository
from localcloud.depot.server import Contents, Depot
from localcloud.errors import LocalCloudError
from localcloud.fixtures import ensure_images, ensure_model, ensure_wheels
from localcloud.fixtures.model import MODEL_ID
from localcloud.http.journal import Journal
from localcloud.system.daemon import NOT_RUNNING

ACTIONS = {
    "start": "in the background; answers when it returns",
    "serve": "in the foreground",
    "stop": "end it",
    "status": "as JSON; exit code 3 when it doesn't run",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in ACTIONS.items():
        command = actions.add_parser(name, help=text, description=text)
        command.add_argument(
            "--state", type=Path, required=True, help="folder for its pid, log and journal of requests"
        )
        if name in ("start", "serve"):
            command.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
            command.add_argument(
                "--model", action="append", default=[], metavar="OWNER/NAME=FOLDER", help="default: tiny"
            )
            command.add_argument("--gated", action="append", default=[], metavar="OWNER/NAME=TOKEN")
            command.add_argument("--images", type=Path, help="OCI image layout; default: the local stack's images")
            command.add_argument("--wheels", type=Path, help="folder of wheels; default: the download clients'")
            command.add_argument("--apt", type=Path, help="folder to serve at /apt")


def run(options: argparse.Namespace) -> int:
    """Does it; `status` returns 3 when the depot does not run."""
    state: Path = options.state
    match options.action:
        case "start":
            contents = _contents(options)  # made in this process, where a failure is seen
            running = daemon.start(
                state,
                options.listen,
                models={each.id: each.folder for each in contents.repositories},
                tokens=_pairs(options.gated),
                images=contents.images,
                wheels=contents.wheels,
                apt=contents.apt,
            )
            print(json.dumps(asdict(running)))
        case "serve":
            host, _, port = options.listen.rpartition(":")
            state.mkdir(parents=True, exist_ok=True)
            with Depot((host, int(port)), _contents(options), Journal(state.absolute() / daemon.JOURNAL)) as depot:
                depot.serve_forever(poll_interval=0.1)
        case "stop":
            daemon.stop(state)
        case "status":
            found = daemon.status(state)
            print(json.dumps(asdict(found) if found else None))
            return 0 if found else NOT_RUNNING
    return 0


def _contents(options: argparse.Namespace) -> Contents:
    tokens, models = _pairs(options.gated), _pairs(options.model) or {MODEL_ID: str(ensure_model())}
    return Contents(
        repositories=[Repository(name, Path(folder).absolute(), tokens.get(name)) for name, folder in models.items()],
        images=options.images or ensure_images(),
        wheels=options.wheels or ensure_wheels(),
        apt=options.apt,
    )


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name.count("/") != 1:
            raise LocalCloudError(f"{text!r} is not OWNER/NAME=VALUE.")
        pairs[name] = value
    return pairs
