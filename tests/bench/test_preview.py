"""P3: the preview of many machines against the preview of two, one's own or rented."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolchain
from tests.support.paths import ROOT

pytestmark = pytest.mark.engine

RUNS = 3


def own_machines(count: int, folder: Path) -> dict[str, Any]:
    """Pulumi.hosts.yaml for fictional machines; a preview asks none of them anything."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.hosts.yaml").read_text())["config"]
    addresses = [f"10.83.1.{number + 1}" for number in range(count)]
    host_key = (folder / "key.pub").read_text().rsplit(" ", 1)[0]
    (folder / "known_hosts").write_text("".join(f"{address} {host_key}\n" for address in addresses))
    config["tandem:machines"] = [{"name": f"node-{n}", "address": a} for n, a in enumerate(addresses)]
    config["tandem:ssh"] |= {"privateKeyFile": str(folder / "key"), "knownHostsFile": str(folder / "known_hosts")}
    # A model with a layer for each stage: the plan is part of a preview.
    config["tandem:model"] |= {"id": "Qwen/Qwen3-32B"}
    config["tandem:serving"] |= {
        "executor": "mp",
        "tensorParallelSize": 1,
        "pipelineParallelSize": count,
        "arguments": ["--dtype=bfloat16"],
    }
    return config


def rented_machines(count: int, folder: Path) -> dict[str, Any]:
    """Pulumi.dev.yaml with more machines; no account is asked."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    config["tandem:cloud"] |= {"machines": count}
    config["tandem:ssh"] |= {"privateKeyFile": str(folder / "key")}
    # A model with a layer for each stage.
    config["tandem:serving"] |= {"pipelineParallelSize": count}
    return config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / "key")], check=True)
    return tmp_path


def previewed(count: int, folder: Path, settings: Callable[[int, Path], dict[str, Any]]) -> tuple[float, int]:
    """Median seconds of some previews of a stack that has nothing yet, and how many resources it would have."""
    config = folder / f"Pulumi.{count}.yaml"
    config.write_text(json.dumps({"config": settings(count, folder)}))
    (folder / "stacks").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        **toolchain.environment(),
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_BACKEND_URL": f"file://{folder / 'stacks'}",
    }
    environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    stack = ["--stack", f"bench{count}"]
    written = ROOT / f"Pulumi.bench{count}.yaml"
    taken, resources = [], 0

    def pulumi(*words: str) -> str:
        done = subprocess.run(
            ["pulumi", "--non-interactive", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    try:
        pulumi("stack", "init", stack[1])
        for _ in range(RUNS):
            began = time.monotonic()
            told = pulumi("preview", "--json", *stack, "--config-file", str(config))
            taken.append(time.monotonic() - began)
            resources = len(json.loads(told)["steps"])
    finally:
        written.unlink(missing_ok=True)
    return statistics.median(taken), resources


@pytest.mark.parametrize("settings", [own_machines, rented_machines], ids=lambda made: made.__name__)
def test_preview_of_64_machines_against_2(folder, settings):
    """P3: <= 2."""
    few, few_resources = previewed(2, folder, settings)
    many, many_resources = previewed(64, folder, settings)
    print(f"\nP3 {settings.__name__}: preview of 2 ({few_resources} resources) {few:.1f} s")
    print(f"P3 of 64 ({many_resources} resources) {many:.1f} s")
    print(f"P3 ratio {many / few:.2f} (goal 2.00)")
    assert many_resources > few_resources
