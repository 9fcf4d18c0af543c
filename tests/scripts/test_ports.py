"""ports.py: who holds a port of the deployment, by real listeners on this computer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scripts.native_step import Step
from tests.support.scripts import script

LISTEN = (
    "import socket, sys; s = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]));"
    "print(s.getsockname()[1], flush=True); sys.stdin.read()"
)


@contextmanager
def listening(address: str = "127.0.0.1", **environment: str) -> Iterator[tuple[int, int]]:
    """A process that listens: its port and its id."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    command = [sys.executable, "-c", LISTEN, address, str(int(family))]
    environ = {**os.environ, **environment}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout
        yield int(process.stdout.readline()), process.pid
        process.kill()


def ports(*wanted: str, stack: str = "tandem-t", environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(script("ports.py")), stack, *wanted],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1"])  # noqa: S104
def test_a_taken_port_is_named_with_its_process_and_setting(address):
    with listening(address) as (port, pid):
        code, said = ports("gateway.port=1", f"serving.rayPort={port - 3}-{port + 3}")
    assert code == 1
    assert said.startswith(f"port {port}, which serving.rayPort needs, is held by {sys.executable} -c import socket")
    assert said.endswith(f"(process {pid}); stop that, or move serving.rayPort")


def test_a_free_port_and_one_of_the_stack_itself_are_fine():
    with listening(TANDEM_OWNER="tandem-t") as (port, _):
        assert ports(f"serving.port={port}") == (0, "")
        assert ports(f"serving.port={port}", stack="tandem-u")[0] == 1
    assert ports(f"serving.port={port}") == (0, "")


def test_containers_are_known_by_label_and_name(tmp_path):
    """The container that a process is in stands in its control group; Docker says whose it is."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho c0ffee tandem-u-node-0-gateway tandem-u\n")
    docker.chmod(0o755)
    proc = tmp_path / "proc"
    (proc / "net").mkdir(parents=True)
    line = "   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1"
    (proc / "net/tcp").write_text(f"header\n{line}\n")
    (proc / "41/fd").mkdir(parents=True)
    (proc / "41/fd/3").symlink_to("socket:[77]")
    (proc / "41/cmdline").write_bytes(b"nginx: master process\0")
    (proc / "41/cgroup").write_text("0::/system.slice/docker-c0ffee.scope\n")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TANDEM_PROC": str(proc)}
    assert ports("gateway.port=8000", stack="tandem-u", environment=environment) == (0, "")
    code, said = ports("gateway.port=8000", environment=environment)
    assert (code, "nginx: master process (process 41, container tandem-u-node-0-gateway)" in said) == (1, True)
    (proc / "41/fd/3").unlink()
    assert "a process that this login may not see" in ports("gateway.port=8000", environment=environment)[1]


def test_the_facts_fail_on_it_before_anything_else(tmp_path):
    step = Step(tmp_path)
    own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    variables = {
        "OWN_ADDRESS": (own or ["127.0.0.1"])[0],
        "PEER": (own or ["127.0.0.1"])[0],
        "DISK_MINIMUM_GIB": "0",
        "IMAGE_GIB": "0",
        "IMAGE": "",
    }
    with listening() as (port, pid):
        said = step.run("facts", "ports.py", PORTS=f"gateway.port=1 serving.port={port}", NIC="", **variables)[1]
        assert f"port {port}, which serving.port needs, is held by" in said
        assert f"(process {pid})" in said
    found, said = step.run("facts", "ports.py", PORTS=f"serving.port={port}", NIC="lo", **variables)
    assert found["nic"] == "lo", said
    said = step.run("facts", "ports.py", PORTS="", NIC="bond7", **variables)[1]
    assert "no network interface bond7, only " in said
    assert "correct its nic in machines" in said


def test_it_runs_on_old_pythons():
    """Nothing that Python 3.6 can't read: it travels to machines as they are."""
    import ast

    ast.parse(Path(script("ports.py")).read_text(), feature_version=(3, 6))
