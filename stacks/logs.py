"""python -m stacks.logs STACK [--since 10m] [--grep RE]: what all machines of a stack wrote, in one stream by time."""

from __future__ import annotations

import argparse
import heapq
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stacks.ask_pulumi import PulumiError, ask_pulumi
from stacks.project import full_name
from stacks.remote import Reply, run_on

SCRIPT = Path(__file__).parent / "files" / "logs.sh"
SINCE = re.compile(r"\d+[smh]|\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d)?)?")
COLOURS = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")
MOST_MACHINES = 32
"""SSH connections at once."""


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        time: RFC 3339 in UTC as Docker has it, or `-`: processes without containers have none.
        machine: its name in the settings.
        source: engine, ray, gateway, webui, team.
        text: what was written.
    """

    time: str
    machine: str
    source: str
    text: str

    def __str__(self) -> str:
        """As it is printed."""
        return f"{self.time[:23]:<23} {self.machine} {self.source:<8} {self.text}"


class LogsError(Exception):
    """One sentence: what is wrong and what mends it."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 with what was written, 1 when a machine was not reached or the stack isn't there."""
    parser = argparse.ArgumentParser(prog="python -m stacks.logs", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument("--since", default="", help="10m, 2h or 2026-11-29T08:00:00Z; with containers")
    parser.add_argument("--grep", default="", metavar="RE", help="lines in which this regular expression is found")
    parser.add_argument("--tail", type=int, default=2000, help="lines of each container or process (2000)")
    parser.add_argument("--native-folder", default="", help="native.folder, where it isn't ~/.tandem")
    args = parser.parse_args(argv)
    try:
        if args.since and not SINCE.fullmatch(args.since):
            raise LogsError(f"--since: {args.since} is no time; give 10m, 2h or 2026-11-29T08:00:00Z")
        try:
            wanted = re.compile(args.grep)
        except re.error as error:
            raise LogsError(f"--grep: {args.grep} is no regular expression: {error}") from None
        machines = machines_of(args.stack)
        words = [full_name(args.stack), str(args.tail), args.since, args.native_folder]
    except LogsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    replies = read_logs(machines, words)
    found = (parse(name, reply.text) for name, reply in replies.items())
    for line in heapq.merge(*found, key=lambda line: line.time):
        if wanted.search(line.text):
            print(line)
    failed = {name: reply.error for name, reply in replies.items() if reply.error}
    for name, why in failed.items():
        print(f"error: {name}: {why}; try `{machines[name]}`", file=sys.stderr)
    return 1 if failed else 0


def read_logs(machines: Mapping[str, str], words: Sequence[str], seconds: float | None = None) -> dict[str, Reply]:
    """What `files/logs.sh` answers on each machine, all asked at once.

    Args:
        machines: how SSH opens each.
        words: the script's: stack, lines of each container or process, since when, the folder of runtime native.
        seconds: after which a machine is given up; None for never.
    """
    script = SCRIPT.read_bytes()
    with ThreadPoolExecutor(MOST_MACHINES) as pool:
        answers = {
            name: pool.submit(run_on, ssh, ["bash", "-s", "--", *words], script, seconds)
            for name, ssh in machines.items()
        }
    return {name: answer.result() for name, answer in answers.items()}


def machines_of(stack: str) -> dict[str, str]:
    """How SSH reaches each machine, as the stack's output `machines` has it.

    Raises:
        LogsError: there is no such stack, or it has no machines yet.
    """
    try:
        found: dict[str, str] = ask_pulumi("stack", "output", "machines", "--json", "--stack", stack)
    except PulumiError as error:
        raise LogsError(f"stack {stack} names no machines: {error}; `pulumi stack ls` lists the stacks") from None
    return found


def parse(machine: str, text: str) -> Iterator[Line]:
    """The script's lines, without colours; of a progress bar what stood there last."""
    for line in text.split("\n"):
        parts = COLOURS.sub("", line).split("\t", 2)
        if len(parts) == 3:
            time, source, said = parts
            yield Line(time, machine, source.removeprefix(f"{machine}-"), said.rstrip("\r").rsplit("\r", 1)[-1])


if __name__ == "__main__":
    sys.exit(main())
