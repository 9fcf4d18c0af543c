"""What stands in for a cloud, for machines and for what they fetch, on this computer."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from localcloud.errors import LocalCloudError

COMMANDS = {
    "account": ("localcloud.account", "all that Pulumi.local.yaml needs: a cloud, and what its machines fetch"),
    "hosts": ("localcloud.hosts", "all that Pulumi.hosts.yaml needs: bare machines, and what they fetch"),
    "prepare": ("localcloud.prepare", "make once what the others would wait minutes for"),
    "cloud": ("localcloud.cloud.commands", "an Alibaba Cloud account: ECS, VPC and NAS over HTTP"),
    "machines": ("localcloud.machines.commands", "machines with systemd and SSH, networks and shared folders"),
    "depot": ("localcloud.depot.commands", "a server for images, weights and packages"),
    "files": ("localcloud.http.commands", "serve one folder over HTTP; networks of machines start it"),
    "caretaker": ("localcloud.caretaker", "wait for the end of a run and remove what it made; test runs start it"),
}
"""Each command's module and what it is for. A module has `add_arguments(parser)` and `run(options)`, its exit code."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: its own, or 1 after one sentence on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if words[:1] == [name]:  # the others' imports take seconds
            chosen = import_module(module)
            chosen.add_arguments(command)
            command.set_defaults(run=chosen.run)
    options = parser.parse_args(words)
    try:
        return int(options.run(options))
    except LocalCloudError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {options.command} failed in the system: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
