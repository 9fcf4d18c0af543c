"""python -m stacks.doctor STACK [--json] [--all]: what is wrong with a stack, and what mends it. Changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stacks.doctor.evidence import collect
from stacks.doctor.finding import Severity
from stacks.doctor.redaction import Redaction
from stacks.doctor.registry import judge
from stacks.doctor.stack import StackError, read_stack
from stacks.doctor.table import answered, lines, summary


def main(argv: Sequence[str] | None = None) -> int:
    """0 without errors, 1 with some, 2 when there is no such stack."""
    parser = argparse.ArgumentParser(prog="python -m stacks.doctor", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument(
        "--config-file", type=Path, metavar="FILE", help="in place of Pulumi.STACK.yaml, as pulumi has it"
    )
    parser.add_argument("--json", action="store_true", help="for programs: findings, one object each")
    parser.add_argument(
        "--all", action="store_true", help="also what could not be checked, and why, and which machines were looked at"
    )
    args = parser.parse_args(argv)
    began = time.monotonic()
    try:
        stack = read_stack(args.stack, args.config_file)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    evidence, redaction = collect(stack), Redaction(stack)
    findings, machines = redaction.of_findings(judge(evidence)), redaction.of_machines(evidence.examined)
    seconds = time.monotonic() - began
    if args.json:
        report = {
            "stack": stack.name,
            "seconds": round(seconds, 1),
            "machines": [asdict(each) for each in machines],
            "findings": [each.as_data() for each in findings],
        }
        print(json.dumps(report, indent=1))
    else:
        every = [answered(machines)] if args.all else []
        print("\n".join([*lines(findings, every=args.all), *every, summary(findings, machines, seconds)]))
    return 1 if any(each.severity is Severity.ERROR for each in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
