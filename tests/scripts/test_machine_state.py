"""The program that the doctor sends to machines, run from memory as it is there, among programs of the test's own."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tarfile

import pytest

from stacks.doctor.machine_probe import FILES, HOST_FILES, MODULES

GROUP = {"attempt": 1, "exits": 0}
INSPECTED = {
    "Name": "/tandem-test-engine",
    "Id": "abc",
    "Image": "sha256:aa",
    "RestartCount": 2,
    "Created": "x",
    "State": {"Status": "running", "OOMKilled": False, "ExitCode": 0, "StartedAt": "y"},
}
SMI = """
case "$*" in
  *driver_version*) echo 580.95.05 ;;
  *query-gpu*) echo "0, NVIDIA L20, 0, 4, 16, 16, 40, Not Active, Not Active" ;;
  *remapped*) echo "00000000:01:00.0, No, No" ;;
  *nvlink*) printf "GPU 0\\n\\t Link 0: 26.562 GB/s\\n" ;;
esac
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Programs that a machine has, a folder of weights, and a listener."""
    programs, weights = tmp_path / "programs", tmp_path / "weights"
    programs.mkdir()
    weights.mkdir()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("group.json")
        entry.size = len(json.dumps(GROUP))
        archive.addfile(entry, io.BytesIO(json.dumps(GROUP).encode()))
    (tmp_path / "group.tar").write_bytes(packed.getvalue())
    (tmp_path / "inspected").write_text(json.dumps([INSPECTED]))
    docker = f'cd "{tmp_path}"; case $1 in ps) echo abc ;; inspect) cat inspected ;; cp) cat group.tar ;; esac'
    for name, text in {
        "docker": docker,
        "nvidia-smi": SMI,
        "dmesg": "echo 'NVRM: Xid (PCI:0000:01:00): 79, gone'",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    (weights / "model.safetensors").write_bytes(bytes(12 << 20))
    files = [{"path": "model.safetensors", "size": 12 << 20}, {"path": "config.json", "size": 3}]
    (weights / ".tandem-weights.json").write_text(json.dumps({"files": files}))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path


def looked(folder, **changes):
    """What it says."""
    call = {
        "stack": "tandem-test",
        "folder": str(folder),
        "native": False,
        "seconds": 20,
        "peers": {},
        "fetch": [],
        "mount": str(folder),
        "weights": [str(folder / "weights")],
        "ports": [],
        "nvidia": "",
        "firewall": True,
        "path": ["/"],
        **changes,
    }
    sent = {"modules": {file.stem: file.read_text() for file in MODULES}, "call": call}
    words = [(FILES / "start.sh").read_text(), "doctor", str(folder), (FILES / "run.py").read_text()]
    before = sorted(path for path in folder.rglob("*") if "programs" not in path.parts)
    done = subprocess.run(["bash", "-c", *words], input=json.dumps(sent), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path for path in folder.rglob("*") if "programs" not in path.parts) == before, "it changes nothing"
    return json.loads(done.stdout)


def test_facts_of_every_kind(machine):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        nvidia = "".join(file.read_text() for file in (HOST_FILES / "nvidia_state.sh", FILES / "nvidia.sh"))
        peers = {"other": {"address": "127.0.0.1", "port": port}}
        facts = looked(
            machine, nvidia=nvidia, peers=peers, fetch=["http://127.0.0.1:1/"], ports=[f"gateway.port={port}"]
        )
    assert (facts["late"], facts["failed"]) == ([], {})
    assert facts["machine"]["memory"] > facts["machine"]["available"] > 0
    [engine] = facts["containers"]
    assert (engine["name"], engine["restarts"], engine["group"]) == ("tandem-test-engine", 2, GROUP)
    assert facts["nvidia"]["state"] == ["working"] and facts["nvidia"]["gpu"][0].startswith("0, NVIDIA L20")
    assert "Xid" in facts["nvidia"]["xid"][0] and "26.562" in "".join(facts["nvidia"]["nvlink"])
    assert facts["peers"]["other"] == {"error": "", "loss": 0.0}
    assert "refused" in facts["fetch"]["http://127.0.0.1:1/"]
    assert facts["listening"]["open"][str(port)] is True
    assert facts["listening"]["taken"].startswith(f"port {port}, which gateway.port needs, is held by")
    seen = facts["storage"]["weights"][str(machine / "weights")]
    assert (seen["manifest"], seen["wrong"]) == (True, "lacks config.json")
    assert facts["storage"]["read"]["bytes"] == 12 << 20
    assert facts["firewall"] == {"made": False, "loaded": False, "unit": facts["firewall"]["unit"], "confirmed": False}
    assert facts["began"] <= facts["ended"]


def test_a_program_that_hangs_costs_its_own_fact_alone(machine):
    (machine / "programs/docker").write_text("#!/bin/sh\nexec sleep 60\n")
    facts = looked(machine, seconds=2)
    assert {"containers", "disks"} <= set(facts["late"])
    assert facts["storage"]["read"]["bytes"] and "machine" in facts


def test_a_machine_before_the_first_up(machine, monkeypatch):
    (machine / "programs/docker").unlink()
    monkeypatch.setenv("PATH", f"{machine}/programs:/usr/bin:/bin")
    facts = looked(machine, mount="/nowhere", weights=["/nowhere/models/x"])
    assert facts["failed"] == {}
    assert (facts["containers"], facts["storage"]["there"], facts["storage"]["read"]) == ([], False, {})
