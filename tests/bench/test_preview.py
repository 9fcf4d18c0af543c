"""P3: the preview of 64 machines against an empty program of as many resources, one's own machines or rented ones."""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolchain
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

MACHINES = 64
RUNS = 3
EMPTY = Path(__file__).with_name("empty_program")


def own_machines(folder: Path) -> dict[str, Any]:
    """Pulumi.hosts.yaml for fictional machines; a preview asks none of them anything."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.hosts.yaml").read_text())["config"]
    addresses = [f"10.83.1.{number + 1}" for number in range(MACHINES)]
    host_key = (folder / "key.pub").read_text().rsplit(" ", 1)[0]
    (folder / "known_hosts").write_text("".join(f"{address} {host_key}\n" for address in addresses))
    config["tandem:machines"] = [{"name": f"node-{n}", "address": a} for n, a in enumerate(addresses)]
    config["tandem:ssh"] |= {"privateKeyFile": str(folder / "key"), "knownHostsFile": str(folder / "known_hosts")}
    # A model with a layer for each stage: the plan is part of a preview.
    config["tandem:model"] |= {"id": "Qwen/Qwen3-32B"}
    config["tandem:serving"] |= {
        "executor": "mp",
        "tensorParallelSize": 1,
        "pipelineParallelSize": MACHINES,
        "arguments": ["--dtype=bfloat16"],
    }
    return config


def rented_machines(folder: Path) -> dict[str, Any]:
    """Pulumi.dev.yaml with more machines; no account is asked."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    config["tandem:cloud"] |= {"machines": MACHINES}
    config["tandem:ssh"] |= {"privateKeyFile": str(folder / "key")}
    # A model with a layer for each stage.
    config["tandem:serving"] |= {"pipelineParallelSize": MACHINES}
    return config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / "key")], check=True)
    (tmp_path / "stacks").mkdir()
    return tmp_path


def previewed(program: Path, stack: str, folder: Path, config: dict[str, Any], **more: str) -> tuple[float, int]:
    """Median CPU seconds of some previews of a stack that has nothing yet, and how many resources it would have."""
    file = folder / f"{stack}.yaml"
    file.write_text(json.dumps({"config": config}))
    environment = {
        **os.environ,
        **toolchain.environment(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_BACKEND_URL": f"file://{folder / 'stacks'}",
        **more,
    }
    environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    # A user's second preview has the first one's bytecode.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    written = program / f"Pulumi.{stack}.yaml"

    def pulumi(*words: str) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *words],
            cwd=program,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    taken, resources = [], 0
    try:
        pulumi("stack", "init", stack)
        for _ in range(RUNS):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            shown = pulumi("preview", "--json", "--stack", stack, "--config-file", str(file))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            resources = len(json.loads(shown)["steps"])
    finally:
        written.unlink(missing_ok=True)
    return statistics.median(taken), resources


@pytest.mark.parametrize("settings", [own_machines, rented_machines], ids=lambda made: made.__name__)
def test_preview_of_64_machines_against_an_empty_program(folder: Path, settings: Callable[[Path], dict[str, Any]]):
    """P3: <= 1.5 in CPU time."""
    many, resources = previewed(ROOT, "bench64", folder, settings(folder))
    empty = folder / "empty"
    shutil.copytree(EMPTY, empty)
    (empty / ".venv").symlink_to(ROOT / ".venv")
    # The stack itself is a resource.
    alone, same = previewed(empty, "empty", folder, {}, COUNT=str(resources - 1))
    print(f"\nP3 {settings.__name__}: preview of {MACHINES} machines, {resources} resources: {many:.1f} s of CPU")
    print(f"P3 empty program of {same} resources: {alone:.1f} s of CPU; ratio {many / alone:.2f} (goal 1.50)")
    assert same == resources
