"""`python -m localcloud.engine ensure`: prepare the local stack's engine; says where everything is, as JSON."""

import argparse
import json
import sys

from localcloud.engine import ensure_environment, ensure_images, ensure_model
from localcloud.machines.errors import MachinesError


def main() -> int:
    """Return the exit code: 1 with one sentence on standard error when something can't be had."""
    parser = argparse.ArgumentParser(prog="python -m localcloud.engine", description="The local stack's CPU engine.")
    commands = parser.add_subparsers(dest="command", required=True)
    ensure = commands.add_parser("ensure", help="make what is missing of environment, images and tiny model")
    ensure.add_argument("--mib", type=int, default=0, help="size of the model's weights; the default is the tiny one")
    options = parser.parse_args()
    try:
        found = {
            "environment": str(ensure_environment()),
            "images": str(ensure_images()),
            "model": str(ensure_model(options.mib)),
        }
    except MachinesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
