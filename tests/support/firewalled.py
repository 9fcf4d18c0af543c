"""Real machines whose inner ports are closed as `pulumi up` closes them, and one more that is nobody's."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from components.machine import BASE
from components.machine.agent import Ssh, acquire, change, change_back, cleanup, deliver
from components.machine.delivery import RUNNER
from components.machine.installation import from_project
from components.machine.payload import content_hash
from localcloud.machines import Site
from tests.support.portscan import open_ports
from tests.support.scripts import LEASE_FILES, script

STACK = "tandem-fire"
TABLE = f"inet tandem_{STACK}"
STATE = f"{BASE}/{STACK}/firewall/firewall_state.sh"
STEP = "firewall"
SSH, URL, ENGINE, RANK, EPHEMERAL, FOREIGN = 22, 8000, 6379, 10500, 45001, 45678
"""What listens on `one` and `two`; of these ENGINE, RANK and EPHEMERAL are the deployment's inner ports."""
INNER = {ENGINE, RANK, EPHEMERAL}
ALL = {SSH, URL, FOREIGN, *INNER}
LISTEN = """
import selectors, socket, sys
wait = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    one = socket.create_server(("0.0.0.0", port))
    wait.register(one, selectors.EVENT_READ, "listens")
while True:
    for key, _ in wait.select():
        if key.data:
            wait.register(key.fileobj.accept()[0], selectors.EVENT_READ)
            continue
        try:
            got = key.fileobj.recv(100)
        except OSError:
            got = b""
        if got:
            key.fileobj.send(got)
        else:
            wait.unregister(key.fileobj)
            key.fileobj.close()
"""
"""Echoes on every port named."""


class Firewalled:
    """`one` and `two` are a deployment's; `third` stands beside them in their network."""

    def __init__(self, folder: Path) -> None:
        self.net = f"10.{150 + os.getpid() % 50}.{os.getpid() // 50 % 256}"
        self.site = Site(folder / "site", f"tf{os.getpid() % 10**6}", f"{self.net}.0/24")
        try:
            for number, name in enumerate(("one", "two", "third")):
                self.site.create(name, f"{self.net}.{11 + number}", memory_mib=1024)
            for name in ("one", "two", "third"):
                self.site.machine(name).wait_for_ssh()
            for name in ("one", "two"):
                self.acquired(name)
                self.listen(name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.site.destroy_all()

    def address(self, name: str) -> str:
        return self.site.machine(name).record.address

    def call(self, name: str, **more: Any) -> dict[str, Any]:
        """A machine as `Machine.facts` has it."""
        return {
            "name": name,
            "host": self.address(name),
            "port": 22,
            "user": "root",
            "private_key": self.site.key.read_text(),
            "host_key": self.site.machine(name).record.host_key,
            "stack": STACK,
            "base": BASE,
            "cleanup": {},
            "script_files": LEASE_FILES,
            **more,
        }

    def ok(self, name: str, text: str, *arguments: str) -> str:
        """A script by root's bash, over a connection of its own; its output."""
        done = self.run(name, text, *arguments)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def run(self, name: str, text: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            ssh = Ssh.open(self.call(name), folder)
            try:
                return ssh.run_script(text, *arguments, stdin=stdin, timeout=300)
            finally:
                ssh.close()

    @contextlib.contextmanager
    def login(self, name: str) -> Iterator[Callable[[str], str]]:
        """A shell that stays logged in: sends a line, gives back the machine's echo of it."""
        known = self.site.state_dir / "known_hosts"
        known.write_text(self.site.known_hosts)
        options = ["-F", "none", "-i", str(self.site.key), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes"]
        words = ["ssh", *options, f"root@{self.address(name)}", "cat"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
            assert shell.stdin and shell.stdout
            sent, got = shell.stdin, shell.stdout

            def echoed(line: str) -> str:
                sent.write(f"{line}\n")
                sent.flush()
                return got.readline().removesuffix("\n")

            yield echoed

    def acquired(self, name: str) -> None:
        """The deployment's lease on the machine."""
        with tempfile.TemporaryDirectory() as folder:
            ssh = Ssh.open(self.call(name), folder)
            acquire(ssh)
            ssh.close()

    def listen(self, name: str) -> None:
        """Inner ports by processes that carry the stack's mark, the URL's too; the foreign one by somebody else's."""
        for unit, mark, ports in (
            ("ours", f"TANDEM_OWNER={STACK}", (URL, *sorted(INNER))),
            ("foreign", "A=b", (FOREIGN,)),
        ):
            words = f'systemd-run --quiet --unit={unit} --setenv={mark} python3 -c "$1" {" ".join(map(str, ports))}'
            self.ok(name, words, LISTEN)
            for port in ports:
                self.ok(name, f"until ss -Hltn 'sport = :{port}' | grep -q LISTEN; do sleep 0.1; done")

    def begin(self, name: str, *, seconds: int = 30, allowed: str = "") -> dict[str, Any]:
        """The call by which `agent.change` closes the ports of a machine."""
        files = {"step.sh": script("firewall.sh"), **RUNNER}
        files |= {file: script(file) for file in ("firewall.py", "firewall_state.sh", "ports.py")}
        variables = {
            "CLOSED": "6379-6386 10002-10999",
            "OPEN": str(URL),
            "CONFIRM_SECONDS": str(seconds),
            "MEMBERS": f"{self.address('one')} {self.address('two')} {allowed}".strip(),
            "TANDEM_TIMEOUT": "60",
        }
        return self.call(
            name,
            files={target: from_project(file) for target, file in files.items()},
            variables=variables,
            seconds=seconds,
            confirm=[STATE, "confirm"],
            back=[STATE, "off"],
            version=content_hash({target: file.read_bytes() for target, file in files.items()}, variables),
        )

    def armed(self, name: str, **more: Any) -> str:
        """Made and not confirmed; what the step said."""
        call = self.begin(name, **more)
        with tempfile.TemporaryDirectory() as folder:
            ssh = Ssh.open(call, folder)
            try:
                done = deliver(ssh, STEP, call["version"], "sync")
            finally:
                ssh.close()
        return (done.stdout if not done.returncode else done.stderr).strip()

    def closed(self, name: str, **more: Any) -> str:
        """As `pulumi up` does it."""
        call = self.begin(name, **more)
        with tempfile.TemporaryDirectory() as folder:
            ssh = Ssh.open(call, folder)
            try:
                return change(ssh, STEP, call["version"])
            finally:
                ssh.close()

    def opened(self, name: str) -> None:
        """As `pulumi up` does it when the setting is switched off."""
        with tempfile.TemporaryDirectory() as folder:
            ssh = Ssh.open(self.begin(name), folder)
            try:
                change_back(ssh)
            finally:
                ssh.close()

    def destroyed(self, name: str) -> str:
        """As `pulumi destroy` does it."""
        with tempfile.TemporaryDirectory() as folder:
            ssh = Ssh.open(self.call(name), folder)
            try:
                return cleanup(ssh)
            finally:
                ssh.close()

    def seen(self, name: str, ports: Sequence[int] | None = None, *, by: str = "") -> set[int]:
        """Open ports of a machine as another sees them; by this computer, which is outside, when nobody is named."""
        namespace = self.site.machine(by).paths.netns if by else ""
        wanted = sorted(ALL) if ports is None else ports
        return open_ports(self.address(name), wanted, namespace=namespace)
