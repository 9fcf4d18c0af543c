"""python -m localcloud: an Alibaba Cloud on this machine."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from localcloud.cloud import daemon
from localcloud.cloud.settings import BACKENDS, default_cloud
from localcloud.errors import LocalCloudError

NOT_RUNNING = 3  # exit code of `status`, as systemctl's


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0, or 1 after one sentence on standard error."""
    options = _parser().parse_args(argv)
    try:
        return _act(options)
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    each = {
        "start": "start it in the background; it answers when this returns, and its status is printed",
        "serve": "the same in the foreground",
        "stop": "end it; with --wipe also destroy its machines, networks, folders and state",
        "status": "endpoint, region, keys; exit code 3 when it does not run",
        "fault": "order trouble: see docs/localcloud-api.md",
        "admin": "any admin call: stock, nas-stock, quota, reclaim, release-at, kill, problems",
    }
    for name, text in each.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--state", type=Path, default=default_cloud(), help="its folder (%(default)s)")
        if name == "start":
            command.add_argument("--region", help="the one region there is (cn-hangzhou)")
            command.add_argument("--port", type=int, help="on 127.0.0.1; a free one, kept, by default")
            command.add_argument("--backend", choices=BACKENDS, help="real machines, or none (machines)")
            command.add_argument("--speed", type=float, help="delays are divided by this; 1 is the cloud's (50)")
            command.add_argument("--public-network", help="where public addresses come from (100.64.77.0/24)")
            command.add_argument("--bind", help="HOST:INSIDE of a folder that every machine has, read-only")
        if name == "status":
            command.add_argument("--json", action="store_true", help="as JSON")
        if name == "stop":
            command.add_argument("--wipe", action="store_true", help="machines, networks, folders and state go too")
        if name == "fault":
            command.add_argument("wish", nargs="?", help='JSON such as {"kind": "no-stock", "after": 1}; none lists')
            command.add_argument("--clear", action="store_true", help="forget all")
        if name == "admin":
            command.add_argument("method", choices=("GET", "POST"))
            command.add_argument("path")
            command.add_argument("wish", nargs="?", default="{}", help="JSON")
    return parser


def _act(options: argparse.Namespace) -> int:
    folder: Path = options.state.absolute()
    match options.command:
        case "start":
            names = ("region", "port", "backend", "speed", "public_network", "bind")
            changes = {name: value for name in names if (value := getattr(options, name)) is not None}
            _print(daemon.start(folder, changes))
        case "serve":
            daemon.serve(folder)
        case "stop":
            daemon.stop(folder)
            if options.wipe:
                _wipe(folder)
        case "status":
            found = daemon.status(folder)
            if options.json:
                _print(found)
            else:
                print("\n".join(f"{key}: {value}" for key, value in found.items() if key != "secretKey"))
            return 0 if found["running"] else NOT_RUNNING
        case "fault" if options.clear:
            daemon.ask(folder, "DELETE", "faults", {})
        case "fault" if options.wish:
            _print(daemon.ask(folder, "POST", "faults", _json(options.wish)))
        case "fault":
            _print(daemon.ask(folder, "GET", "faults", {}))
        case "admin":
            _print(daemon.ask(folder, options.method, options.path, _json(options.wish)))
    return 0


def _wipe(folder: Path) -> None:
    if not (folder / "settings.json").exists():
        return
    from localcloud.cloud.real_backend import wipe
    from localcloud.cloud.settings import Settings

    wipe(folder, Settings.load(folder, {}).public_network)
    shutil.rmtree(folder)


def _json(text: str) -> dict[str, object]:
    try:
        wish = json.loads(text)
    except json.JSONDecodeError as error:
        raise LocalCloudError(
            f'The wish is no JSON ({error}): write for instance \'{{"kind": "throttle"}}\'.'
        ) from None
    if not isinstance(wish, dict):
        raise LocalCloudError('The wish is no JSON object: write for instance \'{"kind": "throttle"}\'.')
    return wish


def _print(value: object) -> None:
    print(json.dumps(value, indent=1))


if __name__ == "__main__":
    sys.exit(main())
