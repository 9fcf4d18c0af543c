"""Two real machines for the ways to reach one: `gate`, a host between, and `far`, with logins of every kind."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.machine import BASE
from components.machine.agent import Failure, Ssh, acquire
from components.machine.payload import FILES, content_hash, pack, parse_result
from localcloud.machines import Site
from tests.support.scripts import LEASE_FILES, lease_scripts

STACK = "tandem-logins"
PASSWORD = 'it\'s a "secret" $(word)'  # noqa: S105  # with all that a shell would change
PASSPHRASE = "opens the key"  # noqa: S105


@dataclass
class Logins:
    """`gate` and `far`. On far, `ubuntu` has sudo without a password, `ops` with one, `guest` none; all take both keys.

    Attributes:
        site: of the machines.
        folder: for keys.
        plain: a private key without passphrase, the site's own.
        locked: a private key with one.
    """

    site: Site
    folder: Path

    @property
    def plain(self) -> Path:
        return self.site.key

    @property
    def locked(self) -> Path:
        return self.folder / "locked"

    def begin(self, net: str) -> None:
        """Makes and boots the machines, and the logins on far."""
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", PASSPHRASE, "-f", str(self.locked)]
        subprocess.run(words, check=True)
        public = self.locked.with_suffix(".pub").read_text()
        self.site.create("gate", f"{net}.11", memory_mib=512, authorized_keys=[public])
        self.site.create("far", f"{net}.12", memory_mib=1536, authorized_keys=[public])
        for name in ("gate", "far"):
            self.site.machine(name).wait_for_ssh()
        self.ok("far", (Path(__file__).parent / "logins.sh").read_text(), PASSWORD)
        self.ok("gate", "useradd --create-home hop && cp -r /root/.ssh /home/hop/ && chown -R hop /home/hop/.ssh")

    def address(self, name: str) -> str:
        return self.site.machine(name).record.address

    def call(self, name: str = "far", user: str = "ubuntu", **more: Any) -> dict[str, Any]:
        """A machine as `Machine.facts` has it."""
        return {
            "name": name,
            "host": self.address(name),
            "port": 22,
            "user": user,
            "private_key": self.plain.read_text(),
            "host_key": self.site.machine(name).record.host_key,
            "stack": STACK,
            "base": BASE,
            "cleanup": {},
            "script_files": LEASE_FILES,
            "scripts": lease_scripts(),
            **more,
        }

    def through(self, **more: Any) -> dict[str, Any]:
        """`gate` as the host between."""
        return {"jump": {**self.call("gate", "hop"), **more}}

    @contextlib.contextmanager
    def ssh(self, call: dict[str, Any]) -> Iterator[Ssh]:
        with tempfile.TemporaryDirectory() as folder:
            connection = Ssh.open(call, folder)
            try:
                yield connection
            finally:
                connection.close()

    def ok(self, name: str, script: str, *arguments: str) -> str:
        """A script by root's bash; its output."""
        with self.ssh(self.call(name, "root")) as connection:
            done = connection.run_script(script, *arguments, timeout=300)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def acquired(self, call: dict[str, Any]) -> str:
        """What acquiring the machine said: its result, or the sentence."""
        try:
            with self.ssh(call) as connection:
                return acquire(connection)
        except Failure as failure:
            return str(failure)

    def step(self, call: dict[str, Any], name: str, script: Path, environment: Mapping[str, str]) -> dict[str, str]:
        """One step of ours, delivered and run as `remote.Command` does."""
        texts = {"step.sh": script.read_bytes(), **{f: (FILES / f).read_bytes() for f in ("run.sh", "lib.sh")}}
        version = content_hash(texts, environment)
        receive = (FILES / "receive.sh").read_text()
        with self.ssh(call) as connection:
            done = connection.run_script(receive, STACK, name, version, "sync", BASE, stdin=pack(texts, environment))
        assert done.returncode == 0, done.stderr
        return parse_result(done.stdout)


@contextlib.contextmanager
def running_agent(folder: Path, *keys: Path, passphrase: str = "") -> Iterator[dict[str, str]]:
    """An ssh-agent with these keys; its variables, which this process has as well meanwhile."""
    socket, helper = folder / "agent", folder / "askpass"
    helper.write_text(f"#!/bin/sh\necho {shlex.quote(passphrase)}\n")
    helper.chmod(0o700)
    before = os.environ.get("SSH_AUTH_SOCK")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        variables = {"SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force"}
        os.environ["SSH_AUTH_SOCK"] = str(socket)
        while not socket.exists():
            assert agent.poll() is None
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**os.environ, **variables})
        yield {"SSH_AUTH_SOCK": str(socket)}
    finally:
        agent.terminate()
        agent.wait()
        socket.unlink(missing_ok=True)
        if before is None:
            os.environ.pop("SSH_AUTH_SOCK", None)
        else:
            os.environ["SSH_AUTH_SOCK"] = before
