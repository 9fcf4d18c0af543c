"""Command line: ``ensure`` makes the toolchain be here, ``env`` prints its environment, ``stack`` makes a stack."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from toolchain.ensure_toolchain import ensure
from toolchain.environment import environment
from toolchain.errors import ToolchainError
from toolchain.stack_file import prepare


def main() -> int:
    """Run a command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m toolchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ensure", help="find, download or build Pulumi and its plugins")
    commands.add_parser("env", help='print the environment: eval "$(python -m toolchain env)"')
    stack = commands.add_parser("stack", help="create a stack, and print a copy of its file that Pulumi may write into")
    stack.add_argument("name")
    arguments = parser.parse_args()
    try:
        if arguments.command == "ensure":
            print("\n".join(ensure()))
        elif arguments.command == "stack":
            print(prepare(arguments.name, Path.cwd()))
        else:
            print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment().items()))
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{error.filename or 'A folder of the toolchain'} can't be used ({error.strerror}): make it writable, or"
            " move the cache with TANDEM_CACHE and the state with TANDEM_STATE.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
