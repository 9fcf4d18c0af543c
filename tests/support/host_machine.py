"""One real machine on which a host's scripts run as they do in a deployment: delivered, launched, watched by SSH."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.machine import BASE
from components.machine.agent import Failure, Ssh, await_step
from components.machine.payload import FILES, content_hash, pack, parse_result
from localcloud.machines import Site
from tests.support.scripts import lease_scripts, script

STACK = "tandem-host"


@dataclass(frozen=True)
class Outcome:
    """What a step reported, or the sentence with which it failed."""

    result: dict[str, str]
    error: str


class HostMachine:
    """A machine with files of the tests' own; `run` gives it a step."""

    def __init__(self, folder: Path, number: int, binds: Sequence[str] = ()) -> None:
        net = f"10.{60 + number}.{os.getpid() % 250}"
        self.address = f"{net}.11"
        self.site = Site(folder / "site", f"th{number}x{os.getpid() % 10**6}", f"{net}.0/24")
        self.machine = self.site.create("gpu-1", self.address, binds_ro=binds)
        self.machine.wait_for_ssh()
        self.shared = tempfile.TemporaryDirectory()
        self.call = {
            "name": "gpu-1",
            "host": self.address,
            "port": 22,
            "user": "root",
            "private_key": self.site.key.read_text(),
            "host_key": " ".join(self.site.known_hosts.split()[1:3]),
        }
        self.connection = Ssh.open(self.call, self.shared.name)

    def close(self) -> None:
        self.connection.close()
        self.shared.cleanup()
        self.site.destroy_all()

    def ok(self, script: str, timeout: int = 120) -> str:
        """A script by bash; its output."""
        done = self.connection.run("bash -euo pipefail -s", stdin=script, timeout=timeout)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def run(self, name: str, files: Sequence[str], environment: Mapping[str, str]) -> Outcome:
        """Runs our script NAME.sh as a long step to its end, with `file`s or `name=file`s beside it."""
        beside = {file.partition("=")[0]: script(file.rpartition("=")[2]) for file in files}
        return self.step(name.replace("_", "-"), script(f"{name}.sh"), beside, environment)

    def step(
        self,
        step: str,
        program: Path,
        files: Mapping[str, Path],
        environment: Mapping[str, str],
        *,
        stack: str = STACK,
        timeout: int = 120,
    ) -> Outcome:
        """Runs a script as a long step to its end, with files beside it."""
        texts = {"step.sh": program.read_bytes()}
        texts |= {file: (FILES / file).read_bytes() for file in ("run.sh", "lib.sh")}
        texts |= {name: file.read_bytes() for name, file in files.items()}
        variables = {**environment, "TANDEM_TIMEOUT": str(timeout)}
        version = content_hash(texts, variables)
        words = ["bash", "-c", (FILES / "receive.sh").read_text(), "receive", stack, step, version, "launch", BASE]
        done = self.connection.run(shlex.join(words), stdin=pack(texts, variables), timeout=60)
        assert done.returncode == 0, done.stderr
        folder = f"{BASE}/{stack}/steps/{step}/{version}"
        try:
            return Outcome(
                parse_result(await_step(replace(self.connection, call={**self.call, "folder": folder}), step)), ""
            )
        except Failure as failure:
            return Outcome({}, str(failure).splitlines()[0])

    def cleanup(self, stack: str = STACK) -> None:
        """What `pulumi destroy` does on a machine."""
        words = ["bash", "-c", lease_scripts()["cleanup.sh"], "cleanup", stack, BASE]
        done = self.connection.run(shlex.join(words), timeout=60)
        assert done.returncode == 0, done.stderr


def kernel() -> str:
    """What `uname -r` says, here as on machines."""
    return subprocess.run(["uname", "-r"], check=True, capture_output=True, text=True).stdout.strip()
