"""python -m stacks.support STACK: an archive for whoever helps, without secrets: findings, facts, logs, settings."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import platform
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stacks import versions
from stacks.ask_pulumi import ask_pulumi
from stacks.doctor.addresses import folder_of
from stacks.doctor.deadline import ask_all
from stacks.doctor.evidence import Evidence, collect
from stacks.doctor.redaction import Redaction
from stacks.doctor.registry import judge
from stacks.doctor.stack import SECONDS, Stack, StackError, read_stack
from stacks.logs import parse, read_logs
from stacks.project import ROOT

TAIL = 5000
"""Lines of each container or process."""
LOG_SECONDS = 60.0
HISTORY = ("version", "kind", "startTime", "endTime", "result", "resourceChanges", "message")
"""What of an update's record goes into the archive: the rest repeats the settings."""


def main(argv: Sequence[str] | None = None) -> int:
    """0 with the archive's name, 2 when there is no such stack."""
    parser = argparse.ArgumentParser(prog="python -m stacks.support", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument("--config-file", type=Path, metavar="FILE", help="in place of Pulumi.STACK.yaml")
    parser.add_argument("--output", type=Path, help="the archive (support-STACK-TIME.tar.gz here)")
    args = parser.parse_args(argv)
    try:
        stack = read_stack(args.stack, args.config_file)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    target = args.output or Path(f"support-{stack.name}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    write(target, archive(stack))
    print(f"{target}: secrets of settings and state are taken out; read what users wrote before you send it")
    return 0


def archive(stack: Stack) -> dict[str, str]:
    """Texts by their names in the archive, without secrets."""
    answers = ask_all(
        {"evidence": lambda: collect(stack), "history": lambda: _history(stack), "pulumi": _pulumi_version}, 150
    )
    evidence = answers["evidence"].value or Evidence(stack)
    redaction = Redaction(stack)
    findings = [each.as_data() for each in redaction.of_findings(judge(evidence))]
    facts = {name: dataclasses.asdict(look) for name, look in evidence.replies.items()}
    resources = [{"type": each.kind, "name": each.name, "id": each.id} for each in stack.resources]
    texts = {
        "doctor.json": findings,
        "facts.json": facts,
        "settings.json": stack.shown_values,
        "outputs.json": stack.shown_outputs,
        "resources.json": resources,
        "history.json": str(answers["history"].failure) if answers["history"].failure else answers["history"].value,
        "versions.json": {**_versions(), "pulumi": answers["pulumi"].value or str(answers["pulumi"].failure)},
    }
    return {
        **{name: redaction.text(json.dumps(value, indent=1, default=str)) for name, value in texts.items()},
        **{f"logs/{name}.log": redaction.text(text) for name, text in _logs(evidence).items()},
    }


def write(target: Path, texts: Mapping[str, str]) -> None:
    """The archive, for its owner alone."""
    target.touch(0o600)
    with tarfile.open(target, "w:gz") as packed:
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"{target.name.removesuffix('.tar.gz')}/{name}")
            data = text.encode()
            entry.size, entry.mtime, entry.mode = len(data), int(time.time()), 0o600
            packed.addfile(entry, io.BytesIO(data))


def _logs(evidence: Evidence) -> dict[str, str]:
    machines = {each.name: each.ssh for each in evidence.places if evidence.replies.get(each.name)}
    reached = {name: ssh for name, ssh in machines.items() if not evidence.replies[name].error}
    native = folder_of(evidence.stack).removesuffix(f"/{evidence.stack.full}")
    replies = read_logs(reached, [evidence.stack.full, str(TAIL), "", native], LOG_SECONDS)
    return {
        name: "\n".join(map(str, parse(name, reply.text))) + (f"\nerror: {reply.error}" if reply.error else "")
        for name, reply in replies.items()
    }


def _history(stack: Stack) -> list[dict[str, Any]]:
    words = ("stack", "history", "--json", "--stack", stack.name, "--page-size", "30")
    return [{key: each[key] for key in HISTORY if key in each} for each in ask_pulumi(*words, seconds=SECONDS)]


def _pulumi_version() -> str:
    return subprocess.run(
        ["pulumi", "version"], capture_output=True, text=True, check=True, timeout=SECONDS
    ).stdout.strip()


def _versions() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    own = {name: value for name, value in vars(versions).items() if name.isupper() and not isinstance(value, Path)}
    return {"python": platform.python_version(), "system": platform.platform(), "commit": commit.stdout.strip(), **own}


if __name__ == "__main__":
    sys.exit(main())
