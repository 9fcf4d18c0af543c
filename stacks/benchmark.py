"""python -m stacks.benchmark STACK [--full]: load on a stack's engine now, beside its plan and its last measurement."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components.benchmark import Mode, as_words
from components.benchmark.benchmark import PROGRAMS
from components.benchmark.record import lines, save
from components.machine.payload import FILES as MACHINE_FILES
from components.machine.payload import pack, parse_result
from components.runtime import find_runtime
from stacks.logs import LogsError, machines_of
from stacks.measurements import planned
from stacks.planning import plan_for
from stacks.project import full_name
from stacks.remote import run_on
from stacks.settings.errors import SettingsError
from stacks.stack_settings import settings_of

SCRIPT = Path(__file__).parent / "files" / "measure.sh"
NOT_THERE = 3
"""The script's exit code where the machine has no engine that answers the API."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 with a line a level, 1 with a sentence where nothing was measured."""
    parser = argparse.ArgumentParser(prog="python -m stacks.benchmark", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument("--full", action="store_true", help="longer prompts too; minutes rather than two")
    parser.add_argument("--config-file", type=Path, help="the stack's file, where it isn't Pulumi.<stack>.yaml")
    parser.add_argument("--json", action="store_true", help="print the record")
    args = parser.parse_args(argv)
    try:
        settings = settings_of(args.stack, args.config_file)
        runtime = find_runtime(settings.runtime)
        found = measure(
            machines_of(args.stack),
            stack=full_name(args.stack),
            engine=settings.serving.engine,
            mode="full" if args.full else "quick",
            files=runtime.step_files,
            folder=settings.native.folder if settings.runtime == "native" else "",
        )
        record = save(full_name(args.stack), found, planned(plan_for(settings)))
    except (LogsError, SettingsError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(record, indent=1) if args.json else "\n".join(lines(record)))
    return 1 if record["error"] else 0


def measure(
    machines: Mapping[str, str], *, stack: str, engine: str, mode: Mode, files: Mapping[str, Path], folder: str
) -> dict[str, Any]:
    """Has the machine that serves the API measure itself, and shows what it is at on standard error.

    Args:
        machines: how SSH reaches each.
        stack: the deployment's own name.
        engine: as settings call it.
        mode: how much is measured.
        files: the runtime's own, `Host.step_files`.
        folder: of a native deployment on its machines; empty with containers.

    Raises:
        RuntimeError: no machine has the engine, or one could not be asked.
    """
    sent = {"lib.sh": MACHINE_FILES / "lib.sh", **files, **PROGRAMS}
    archive = pack({name: file.read_bytes() for name, file in sent.items()}, {"ENGINE": engine, **as_words(mode)})
    program = f"archive={archive.strip()}\n".encode() + SCRIPT.read_bytes()
    for name, ssh in machines.items():
        reply = run_on(ssh, ["bash", "-s", "--", stack, folder], program, shown=True)
        if not reply.code:
            found: dict[str, Any] = json.loads(parse_result(reply.text)["measured"])
            return found
        if reply.code != NOT_THERE:
            raise RuntimeError(f"{name}: could not be asked (exit code {reply.code}); try `{ssh}`")
    raise RuntimeError(f"none of {', '.join(machines)} runs an engine of {stack}; `pulumi up` starts it")


if __name__ == "__main__":
    sys.exit(main())
