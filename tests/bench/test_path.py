"""P1, P2: from two prepared machines to the first completion, and once more with nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.idle import RUNS
from tests.bench.launcher import ensure_launcher
from tests.bench.memory import Sampler
from tests.bench.timed import nothing_changed, state, timed_up
from tests.bench.timeline import critical_path, steps, table
from tests.support.deployment import Deployment
from tests.support.paths import ROOT

pytestmark = [pytest.mark.root, pytest.mark.engine]

BRIDGE, SUBNET, DEPOT = "tandemb", "10.83.0.0/24", "10.83.0.1:8600"
NAMES = ["node-0", "node-1"]


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Deployment]:
    """Two fresh machines: they exist and SSH works, nothing of ours is on them."""
    made = Deployment(tmp_path, BRIDGE, SUBNET, NAMES)
    yield made
    made.close()


def scripted(script: str, folder: Path, **environment: str) -> float:
    """Seconds that one of the other ways takes, on machines of its own."""
    made = Deployment(folder, BRIDGE, SUBNET, NAMES)
    try:
        made.ssh(NAMES[0], "true")
        addresses = [made.machine(name).record.address for name in NAMES]
        environment |= {"KEY": str(made.site.key), "KNOWN_HOSTS": str(made.known_hosts), "DEPOT": DEPOT}
        began = time.monotonic()
        words = ["bash", str(ROOT / "tests/bench" / script), *addresses, str(folder)]
        subprocess.run(words, env={**os.environ, **environment}, check=True, timeout=600)
        return time.monotonic() - began
    finally:
        made.close()


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> float:
    """The same steps, typed one after the other."""
    return scripted("by_hand.sh", tmp_path_factory.mktemp("hand"))


@pytest.fixture(scope="module")
def ray_up(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Ray's own cluster launcher, which needs rsync here."""
    assert shutil.which("rsync"), "Ray's launcher calls rsync: apt-get install rsync"
    return scripted("ray_up.sh", tmp_path_factory.mktemp("ray"), RAY=str(ensure_launcher()), PYTHON=sys.executable)


def test_up_against_by_hand_ray_up_and_the_critical_path(by_hand, ray_up, machines):
    """P1: <= 0.7 of by hand, <= 0.8 of ray up, <= 1.05 of the critical path. P2: nothing changed, nobody logs in."""
    with Sampler() as memory:
        seconds, events = timed_up(machines)
    found = steps(events, state(machines))
    path = critical_path(found)
    own = sum(step.seconds for step in path)
    print(f"\n{table(found)}")
    print("critical path: " + " -> ".join(f"{s.name} {s.seconds:.1f}" for s in path))
    print(f"P1 up {seconds:.1f} s; by hand {by_hand:.1f} s: ratio {seconds / by_hand:.2f} (goal 0.70)")
    print(f"P1 up {seconds:.1f} s; ray up {ray_up:.1f} s: ratio {seconds / ray_up:.2f} (goal 0.80)")
    print(f"P1 critical path {own:.1f} s: ratio {seconds / own:.2f} (goal 1.05)")
    print(f"P1 before the first step {found[0].start:.1f} s, after the last {seconds - found[-1].end:.1f} s")
    print(f"peak memory of everything on this computer over what was there before: {memory.peak_gib:.1f} GiB (goal 12)")

    before = [logins(machines, name) for name in NAMES]
    taken = []
    for _ in range(RUNS):
        began = time.monotonic()
        again = machines.up().good()
        taken.append(time.monotonic() - began)
        assert again.changed() == set()
    # Each count is a login of its own.
    assert [logins(machines, name) for name in NAMES] == [count + 1 for count in before]
    nothing_changed(machines, taken)
    machines.destroy().good()


def logins(deployment: Deployment, name: str) -> int:
    """SSH logins that a machine's sshd has accepted, this one among them."""
    return int(deployment.ssh(name, "journalctl -b -o cat | grep -c 'Accepted publickey' || true"))
