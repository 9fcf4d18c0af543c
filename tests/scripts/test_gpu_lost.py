"""A GPU that falls off the bus: nvidia-smi says so, state.py and Prometheus tell it, and the doctor names it.

No GPU is here: nvidia-smi is the stand-in of the host's tests. Natively, as there is no image of the DCGM exporter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.monitoring.monitoring import FILES
from stacks.doctor.finding import Severity
from stacks.doctor.registry import judge
from tests.support import examined, monitoring
from tests.support.paths import ROOT
from tests.support.waiting import free_port, until

pytestmark = pytest.mark.long  # the rule waits a minute

FAKE = ROOT / "tests/e2e/gpu_fakes/nvidia-smi.sh"
ADDRESSES = ("0000:17:00.0", "0000:31:00.0")


class Gpus:
    """Two GPUs by the stand-in, whose places are moved below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "lib", "run", "etc"):
            (folder / name).mkdir(parents=True)
        places = {
            "/opt/fake-sys": folder / "sys",
            "/usr/lib/fake-gpu": folder / "lib",
            "/run/fake-gpu": folder / "run",
            "/etc/fake-gpu": folder / "etc",
        }
        text = FAKE.read_text()
        for before, after in places.items():
            text = text.replace(before, str(after))
        (folder / "bin/nvidia-smi").write_text(text)
        (folder / "bin/nvidia-smi").chmod(0o755)
        (folder / "lib/library").write_text("580.126.09\n")
        (folder / "run/module").write_text("580.126.09 open\n")
        for address in ADDRESSES:
            device = folder / "sys/bus/pci/devices" / address
            device.mkdir(parents=True)
            for name, value in (("vendor", "0x10de"), ("class", "0x030200"), ("device", "0x26ba")):
                (device / name).write_text(f"{value}\n")

    def fault(self, name: str) -> None:
        (self.folder / "etc/fault").write_text(name)


@pytest.fixture
def gpus(tmp_path):
    return Gpus(tmp_path / "gpus")


@pytest.fixture
def prometheus(tmp_path, gpus):
    """Prometheus behind state.py and node exporter of a machine with two GPUs."""
    folder, ports = tmp_path / "state", monitoring.some_ports()
    folder.mkdir()
    config = {
        "stack": "t",
        "docker": False,
        "storage": "",
        "api": 0,
        "gateway": 0,
        "release": "",
        "spot": False,
        "accelerators": 2,
        "gpus": 2,
        "smi": True,
        "figures": {},
    }
    (tmp_path / "state.json").write_text(json.dumps(config))
    path = f"{gpus.folder / 'bin'}:{os.environ['PATH']}"
    writer = subprocess.Popen(
        [sys.executable, FILES / "state.py", tmp_path / "state.json", folder],
        env={**os.environ, "TANDEM_STATE_SECONDS": "1", "PATH": path},
    )
    node = monitoring.node_exporter(folder, ports.node)
    (tmp_path / "prometheus").mkdir()
    made = monitoring.Prometheus(tmp_path / "prometheus", ports, free_port(), every="5s", gpus=False)
    yield made
    made.close()
    for process in (node, writer):
        process.kill()
        process.wait(10)


@pytest.mark.parametrize(("fault", "left"), [("gone", 1), ("lost", 0)])
def test_a_gpu_that_is_lost_is_told_within_two_minutes(prometheus, gpus, fault, left):
    """`gone`: nvidia-smi shows one less. `lost`: it ends with an error, and shows none at all."""
    until(lambda: prometheus.values("count(DCGM_FI_DEV_GPU_TEMP)") == [2], 60)
    pending = 'ALERTS{alertname="GpuLost"}'
    fired = 'ALERTS{alertname="GpuLost",alertstate="firing"}'
    assert not prometheus.values(fired)
    gpus.fault(fault)
    began = time.monotonic()
    until(lambda: prometheus.values(pending), 60)
    seen = time.monotonic() - began
    until(lambda: prometheus.values(fired), 150)
    print(f"{fault}: seen after {seen:.0f} s, GpuLost after {time.monotonic() - began:.0f} s")
    assert time.monotonic() - began < 120
    (alert,) = [one for one in prometheus.get("alerts")["alerts"] if one["labels"]["alertname"] == "GpuLost"]
    assert alert["annotations"]["summary"] == f"n0 shows {left} GPUs, fewer than it serves with"


def test_the_doctor_names_it(gpus):
    """By what it sends to a machine, and what it makes of the answer."""
    gpus.fault("lost")
    script = "".join(
        (ROOT / name).read_text() for name in ("components/host/files/nvidia_state.sh", "stacks/doctor/files/nvidia.sh")
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{gpus.folder / 'bin'}:{os.environ['PATH']}"},
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    )
    said: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("\t")
        said.setdefault(name, []).append(value)
    known = examined.hosts()
    known.replies["node-1"].facts["nvidia"].update(said)
    (found,) = [each for each in judge(known) if each.severity is Severity.ERROR and each.id.startswith("gpus.")]
    assert (found.id, found.where) == ("gpus.driver", "node-1")
    assert "a GPU has fallen off the bus" in found.cause
    assert "power the machine off and on" in found.remedy
