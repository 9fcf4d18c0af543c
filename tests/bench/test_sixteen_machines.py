"""The logs of sixteen machines at once, by real SSH on machines of this computer."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.deployment import Deployment
from tests.support.paths import ROOT

pytestmark = [pytest.mark.root, pytest.mark.long, pytest.mark.timeout(1800)]

NAMES = [f"node-{number}" for number in range(16)]
LINES = 2000
"""In each log, as many as `make logs` asks for."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("sixteen"), "tandemk", "10.98.0.0/24", NAMES)
    yield made
    made.close()


def timed(deployment: Deployment, *words: str) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """Seconds to the first line and to the last, and what was said."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    errors = deployment.folder / "errors"
    with errors.open("w") as stderr, subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, env=deployment.environment, stdout=subprocess.PIPE, stderr=stderr,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout
        first = process.stdout.readline()
        started = time.monotonic() - began
        rest = process.stdout.read()
    done = subprocess.CompletedProcess(words, process.returncode, first + rest, errors.read_text())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    load = Path("/proc/loadavg").read_text().split()[0]
    print(f"{words[0]}: first line after {started:.1f} s, whole after {time.monotonic() - began:.1f} s; "
          f"{own:.1f} s of processors with its pulumi and ssh, load {load}", flush=True)  # fmt: skip
    return started, time.monotonic() - began, done


def test_logs_start(deployment):
    """Of processes without containers, two on each machine."""
    folder = "/root/.tandem/tandem-test/processes"

    def fill(name: str) -> None:
        for process in ("engine", "gateway"):
            deployment.ssh(
                name, f"mkdir -p {folder}/{process} && seq -f 'line %.0f of {name}' {LINES} >{folder}/{process}/log"
            )

    for name in NAMES:
        fill(name)
    options = f"-i {deployment.site.key} -o UserKnownHostsFile={deployment.known_hosts}"
    machines = {name: f"ssh -F none {options} root@{deployment.machine(name).record.address}" for name in NAMES}
    stack = {"type": "pulumi:pulumi:Stack", "custom": False, "outputs": {"machines": machines}}
    stack["urn"] = "urn:pulumi:test::tandem::pulumi:pulumi:Stack::tandem-test"
    file = deployment.folder / "state.json"
    manifest = {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}
    file.write_text(json.dumps({"version": 3, "deployment": {"manifest": manifest, "resources": [stack]}}))
    deployment.pulumi("stack", "import", "--stack", "test", "--file", str(file)).good()
    seconds = []
    for _ in range(3):
        started, _, done = timed(deployment, "stacks.logs", "test")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.count("\n")
        assert lines == len(NAMES) * 2 * LINES
        seconds.append(started)
    assert min(seconds) < 3
