"""`python -m localcloud cloud`."""

import argparse
import json
from pathlib import Path

from localcloud.cloud import daemon
from localcloud.cloud.settings import BACKENDS, default_cloud
from localcloud.errors import LocalCloudError
from localcloud.system.daemon import NOT_RUNNING

ACTIONS = {
    "start": "start it in the background; it answers when this returns, and its status is printed",
    "serve": "the same in the foreground",
    "stop": "end it; with --wipe also destroy its machines, networks, folders and state",
    "status": "endpoint, region, keys; exit code 3 when it does not run",
    "fault": "order a fault: see docs/localcloud-api.md",
    "admin": "any admin call: stock, nas-stock, quota, account, reclaim, release-at, kill, problems",
}
SETTINGS = ("region", "port", "backend", "speed", "public_network", "bind")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    each = {name: actions.add_parser(name, help=text, description=text) for name, text in ACTIONS.items()}
    for command in each.values():
        command.add_argument("--state", type=Path, default=default_cloud(), help="its folder (%(default)s)")
    start = each["start"]
    start.add_argument("--region", help="the one region there is (cn-hangzhou)")
    start.add_argument("--port", type=int, help="on 127.0.0.1; a free one, kept, by default")
    start.add_argument("--backend", choices=BACKENDS, help="real machines, or none (machines)")
    start.add_argument("--speed", type=float, help="delays are divided by this; 1 is the cloud's (50)")
    start.add_argument("--public-network", help="where public addresses come from (100.64.77.0/24)")
    start.add_argument("--bind", help="HOST:INSIDE of a folder that every machine has, read-only")
    each["status"].add_argument("--json", action="store_true", help="as JSON")
    each["stop"].add_argument("--wipe", action="store_true", help="machines, networks, folders and state go too")
    each["fault"].add_argument("order", nargs="?", help='JSON such as {"kind": "no-stock", "after": 1}; none lists')
    each["fault"].add_argument("--clear", action="store_true", help="forget all")
    each["admin"].add_argument("method", choices=("GET", "POST"))
    each["admin"].add_argument("path")
    each["admin"].add_argument("order", nargs="?", default="{}", help="JSON")


def run(options: argparse.Namespace) -> int:
    """Does it; `status` returns 3 when the cloud does not run."""
    folder: Path = options.state.absolute()
    match options.action:
        case "start":
            changes = {name: value for name in SETTINGS if (value := getattr(options, name)) is not None}
            _print(daemon.start(folder, changes))
        case "serve":
            daemon.serve(folder)
        case "stop":
            daemon.stop(folder)
            if options.wipe:
                daemon.wipe(folder)
        case "status":
            found = daemon.status(folder)
            if options.json:
                _print(found)
            else:
                print("\n".join(f"{key}: {value}" for key, value in found.items() if key != "secretKey"))
            return 0 if found["running"] else NOT_RUNNING
        case "fault" if options.clear:
            daemon.ask(folder, "DELETE", "faults", {})
        case "fault" if options.order:
            _print(daemon.ask(folder, "POST", "faults", _json(options.order)))
        case "fault":
            _print(daemon.ask(folder, "GET", "faults", {}))
        case "admin":
            _print(daemon.ask(folder, options.method, options.path, _json(options.order)))
    return 0


def _json(text: str) -> dict[str, object]:
    try:
        order = json.loads(text)
    except json.JSONDecodeError as error:
        raise LocalCloudError(
            f'The order is no JSON ({error}): write for instance \'{{"kind": "throttle"}}\'.'
        ) from None
    if not isinstance(order, dict):
        raise LocalCloudError('The order is no JSON object: write for instance \'{"kind": "throttle"}\'.')
    return order


def _print(value: object) -> None:
    print(json.dumps(value, indent=1))
