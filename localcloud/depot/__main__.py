"""`python -m localcloud.depot start | serve | stop | status | ensure`."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from localcloud.depot import daemon
from localcloud.depot.journal import Journal
from localcloud.depot.repository import Repository
from localcloud.depot.server import Contents, Depot
from localcloud.errors import LocalCloudError
from localcloud.fixtures import ensure_images, ensure_model
from localcloud.fixtures.model import MODEL_ID
from localcloud.fixtures.wheels import ensure_wheels


def main() -> int:
    """Return the exit code: 1 with one sentence on standard error when something can't be had."""
    options = _parser().parse_args()
    try:
        return int(options.run(options))
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: the depot at {getattr(options, 'listen', '?')} can't be had: {error}", file=sys.stderr)
    return 1


def _start(options: argparse.Namespace) -> int:
    _contents(options)  # made here, where a failure is seen, and not behind the daemon's door
    at = sys.argv.index("start")
    print(json.dumps(asdict(daemon.start(sys.argv[at + 1 :], options.listen, options.state.absolute()))))
    return 0


def _serve(options: argparse.Namespace) -> int:
    host, _, port = options.listen.rpartition(":")
    options.state.mkdir(parents=True, exist_ok=True)
    journal = Journal(options.state.absolute() / "requests.jsonl")
    with Depot((host, int(port)), _contents(options), journal) as depot:
        depot.serve_forever(poll_interval=0.1)
    return 0


def _stop(options: argparse.Namespace) -> int:
    daemon.stop(options.state)
    return 0


def _status(options: argparse.Namespace) -> int:
    found = daemon.status(options.state)
    print(json.dumps(asdict(found) if found else None))
    return 0 if found else 3


def _contents(options: argparse.Namespace) -> Contents:
    tokens = dict(_pair(text) for text in options.gated)
    models = dict(_pair(text) for text in options.model) or {MODEL_ID: str(ensure_model())}
    return Contents(
        repositories=[Repository(name, Path(folder).absolute(), tokens.get(name)) for name, folder in models.items()],
        images=options.images or ensure_images(),
        wheels=options.wheels or ensure_wheels(),
        apt=options.apt,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or name.count("/") != 1:
        raise LocalCloudError(f"{text!r} is not OWNER/NAME=VALUE.")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud.depot", description="What machines fetch from outside.")
    commands = parser.add_subparsers(required=True)
    for name, run, text in (
        ("start", _start, "in the background; answers when it returns"),
        ("serve", _serve, "in the foreground"),
        ("stop", _stop, "end it"),
        ("status", _status, "as JSON; exit code 3 when it doesn't run"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        command.add_argument(
            "--state", type=Path, required=True, help="folder for its pid, log and journal of requests"
        )
        if run in (_start, _serve):
            command.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
            command.add_argument(
                "--model", action="append", default=[], metavar="OWNER/NAME=FOLDER", help="default: tiny"
            )
            command.add_argument("--gated", action="append", default=[], metavar="OWNER/NAME=TOKEN")
            command.add_argument("--images", type=Path, help="OCI image layout; default: the local stack's images")
            command.add_argument("--wheels", type=Path, help="folder of wheels; default: the download clients'")
            command.add_argument("--apt", type=Path, help="folder served at /apt")
    ensure = commands.add_parser("ensure", help="fetch the wheels that it serves; prints their folder")
    ensure.set_defaults(run=lambda _options: print(ensure_wheels()) or 0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
