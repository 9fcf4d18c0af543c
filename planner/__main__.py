"""The planner's command line: `python -m planner --help`."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentParser

from planner import command_memory, command_plan, command_price, command_record
from planner.refusal import Refusal

COMMANDS = {"plan": command_plan, "memory": command_memory, "price": command_price, "record": command_record}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 2 and one sentence on stderr (JSON on stdout with --json) when it is refused."""
    parser = ArgumentParser(
        prog="python -m planner", description="Does a model fit, how is it split, what does it cost?"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=(module.__doc__ or "").splitlines()[0]))
    options = parser.parse_args(arguments)
    try:
        print(COMMANDS[options.command].run(options), flush=True)
    except Refusal as refusal:
        if options.json:
            print(json.dumps({"refusal": refusal.as_dict()}, indent=2))
        print(f"refused ({refusal.code}): {refusal}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read, such as head, has seen enough; what is left must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
