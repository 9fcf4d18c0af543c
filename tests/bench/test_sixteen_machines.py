"""What is asked of sixteen machines at once, by real SSH on machines of this computer: the doctor, and their logs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployment import Deployment
from tests.support.paths import ROOT

pytestmark = [pytest.mark.root, pytest.mark.long, pytest.mark.timeout(1800)]

NAMES = [f"node-{number}" for number in range(16)]
LINES = 2000
"""In each log, as many as `make logs` asks for."""
MOST_SECONDS = 120
"""That a doctor may take."""
FIT = {"tensorParallelSize": 2, "pipelineParallelSize": 8}
FAULTS = {
    "node-2": (
        "mount -t tmpfs -o size=4m none /tmp; head -c 4190000 /dev/zero >/tmp/full; test -s /tmp/full",
        "umount -l /tmp",
    ),
    # Machines here share one kernel and its clock, so Python's own is put ahead.
    "node-4": (
        "echo 'import time; real = time.time; time.time = lambda: real() + 600' >$packages/usercustomize.py; "
        "python3 -c ''",  # writes the bytecode, before it is looked for what the doctor writes
        "rm $packages/usercustomize.py $packages/__pycache__/usercustomize.*",
    ),
    "node-6": (
        "systemd-run --quiet --unit planted python3 -m http.server 6380; "
        "for _ in $(seq 50); do ss -Hltn 'sport = :6380' | grep -q . && exit; sleep 0.2; done; exit 1",
        "systemctl stop planted",
    ),
    "node-8": (
        "nft add table inet planted; nft 'add chain inet planted out { type filter hook output priority 0; }'; "
        "nft add rule inet planted out tcp dport 8600 reject with tcp reset",
        "nft delete table inet planted",
    ),
    "node-10": ("ip route add unreachable SUBNET.22", "ip route del unreachable SUBNET.22"),
    "node-13": (
        "nft add table inet planted; nft 'add chain inet planted in { type filter hook input priority 0; }'; "
        "nft add rule inet planted in ip saddr SUBNET.25 numgen inc mod 10 0 drop",
        "nft delete table inet planted",
    ),
}
"""How each is planted, and how it is taken away; node-11 has address 22, and node-14 has 25."""
ON_MACHINES = {
    ("machines.disk", "node-2"),
    ("machines.clock", "node-4"),
    ("network.peers", "node-10"),
    ("network.peers", "node-11"),  # one fault, seen from both ends, as the next one is
    ("network.loss", "node-13"),
    ("network.loss", "node-14"),
}
BY_SETTINGS = {("ports.taken", "node-6"), ("network.outside", "node-8")}
"""Settings name the ports and the hub."""
FACTS = {
    "bus",
    "containers",
    "disks",
    "fetch",
    "firewall",
    "frozen",
    "interfaces",
    "listening",
    "machine",
    "peers",
    "storage",
}
"""All that a machine without NVIDIA's driver tells (stacks/doctor/files/machine_state.py)."""
WRITTEN = "/etc /root /home /srv /opt /usr /var/lib /var/tmp /tmp"
OWN = "/var/lib/systemd*"
"""What systemd writes by itself."""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    made = Deployment(tmp_path_factory.mktemp("sixteen"), "tandemk", "10.98.0.0/24", NAMES)
    yield made
    made.close()


def timed(deployment: Deployment, *words: str) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """Seconds to the first line and to the last, and what was said."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    errors = deployment.folder / "errors"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=deployment.environment,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout
        first = process.stdout.readline()
        started = time.monotonic() - began
        rest = process.stdout.read()
    done = subprocess.CompletedProcess(words, process.returncode, first + rest, errors.read_text())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    load = Path("/proc/loadavg").read_text().split()[0]
    print(
        f"{words[0]}: first line after {started:.1f} s, whole after {time.monotonic() - began:.1f} s; "
        f"{own:.1f} s of processors with its pulumi and ssh, load {load}",
        flush=True,
    )
    return started, time.monotonic() - began, done


def busy() -> float:
    """Seconds that all processors of this computer have worked, for whomever."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def doctors(deployment: Deployment, count: int = 1) -> list[dict[str, Any]]:
    """What doctors that run at once report, as JSON."""
    words = [sys.executable, "-m", "stacks.doctor", "test", "--json", "--config-file", str(deployment.config_file)]
    began, before, worked = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN), busy()
    running, files = [], []
    for number in range(count):
        out, errors = (deployment.folder / f"doctor-{number}.{kind}" for kind in ("json", "errors"))
        with out.open("w") as stdout, errors.open("w") as stderr:
            running.append(subprocess.Popen(words, cwd=ROOT, env=deployment.environment, stdout=stdout, stderr=stderr))
        files.append((out, errors))
    codes = [each.wait(timeout=600) for each in running]
    seconds, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    own = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    said = [errors.read_text() for _, errors in files]
    assert not any("Traceback" in each for each in said), said
    reports = [json.loads(out.read_text()) for out, _ in files]
    load = Path("/proc/loadavg").read_text().split()[0]
    print(
        f"{count} x doctor: {seconds:.1f} s; {own:.1f} s of processors with its pulumi and ssh, "
        f"{busy() - worked:.1f} s of this computer's altogether; load {load}",
        flush=True,
    )
    for code, report in zip(codes, reports, strict=True):
        assert code == int(any(each["severity"] == "error" for each in report["findings"])), report
    assert seconds <= MOST_SECONDS
    return reports


def wrong(report: dict[str, Any]) -> set[tuple[str, str]]:
    """Id and place of what is wrong."""
    return {(each["id"], each["where"]) for each in report["findings"] if each["severity"] in ("error", "warning")}


def looked_at(report: dict[str, Any]) -> dict[str, set[str]]:
    """The facts that each machine told."""
    return {each["name"]: set(each["facts"]) for each in report["machines"] if each["facts"]}


@contextmanager
def planted(deployment: Deployment) -> Iterator[None]:
    """Six faults, each on a machine of its own."""
    subnet = deployment.subnet.rpartition(".")[0]

    def run(name: str, command: str) -> None:
        deployment.ssh(name, f"set -e; packages=/usr/lib/python3/dist-packages; {command.replace('SUBNET', subnet)}")

    for name, (command, _) in FAULTS.items():
        run(name, command)
    try:
        yield
    finally:
        for name, (_, command) in FAULTS.items():
            run(name, command)


def test_doctor_of_bare_machines(deployment):
    """Before the first `up`: nothing is wrong, and that is said of all sixteen, by all that can be read of each."""
    deployment.write(deployment.changed_config(serving=FIT))
    [report] = doctors(deployment)
    assert wrong(report) == set()
    assert looked_at(report) == dict.fromkeys(NAMES, FACTS)


def test_two_doctors_find_every_planted_fault_and_no_other(deployment):
    """Two at once, and neither writes anything to a machine."""
    deployment.write(deployment.changed_config(serving=FIT))
    with planted(deployment):
        for name in NAMES:
            deployment.ssh(name, "touch /run/begun")
        both = doctors(deployment, 2)
        newer = f"find {WRITTEN} -xdev -newer /run/begun ! -path '{OWN}' -print"
        assert {name: deployment.ssh(name, newer) for name in NAMES} == dict.fromkeys(NAMES, "")
        for report in both:
            assert wrong(report) == ON_MACHINES | BY_SETTINGS
            assert set(looked_at(report)) == set(NAMES)
        # A split that does not fit is in the way of `up`, and of no look at the machines.
        deployment.write(deployment.config)
        [report] = doctors(deployment)
        assert wrong(report) == {("settings.valid", "serving"), *ON_MACHINES}
        assert set(looked_at(report)) == set(NAMES)


def test_doctor_where_a_machine_is_off(deployment):
    """What takes longest: SSH and fifteen machines wait for it."""
    deployment.write(deployment.changed_config(serving=FIT))
    *others, last = NAMES
    deployment.machine(last).unplug()
    try:
        [report] = doctors(deployment)
    finally:
        deployment.machine(last).plug()
        deployment.machine(last).wait_for_ssh()
    assert wrong(report) == {("machines.reached", last), *(("network.peers", name) for name in others)}
    assert set(looked_at(report)) == set(others)


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
