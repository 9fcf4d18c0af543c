"""OpenSSH to one machine: pinned host keys, the user's key or agent, a jump host, and root by sudo.

Beside `agent.py`, which runs as a program: needs Python 3.11 and OpenSSH's client, nothing else.

A machine is a mapping, as `components.machine.Machine.facts` makes it: `name`, `host`, `port`, `user`, `host_key`;
`private_key`, or None for the keys of the running ssh-agent; `passphrase` of that key; `sudo_password`; `jump`, the
same mapping for the host between; `root`, false where steps run as the login.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OPTIONS = (
    "-oGlobalKnownHostsFile=/dev/null",
    "-oStrictHostKeyChecking=yes",
    "-oBatchMode=yes",
    "-oConnectTimeout=5",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
)
QUIET = "-oLogLevel=ERROR"
SHARED = ("-oControlMaster=auto", "-oControlPersist=20")
STDIN_BEGINS = "tandem-stdin-begins"
"""The line after a password for sudo; what follows is the command's own input."""


class Failure(Exception):
    """One sentence for the user."""


def shows_another_key(error: str) -> bool:
    """Whether SSH's words say that the machine shows another host key than the one known for it."""
    return "Host key verification failed" in error or "IDENTIFICATION HAS CHANGED" in error


def known_name(host: str, port: int) -> str:
    """A machine as the known hosts file names it."""
    return f"[{host}]:{port}" if port != 22 else host


def proxy_command(options: Sequence[str], user: str, host: str, port: int) -> str:
    """`ssh -W` through a jump host, as the value of OpenSSH's ProxyCommand: `%` and blanks are quoted.

    `ProxyJump` would do the same with neither our host keys nor our key: it hands none of the options on.
    """
    fixed = ["ssh", "-F", "none", *options, "-p", str(port), "-l", user]
    return f"{shlex.join(fixed).replace('%', '%%')} -W '[%h]:%p' -- {shlex.quote(host)}"


def sudo_words(call: Mapping[str, Any]) -> list[str]:
    """What stands before a command that needs root: nothing for root itself, and where steps run as the login."""
    if call["user"] == "root" or not call.get("root", True):
        return []
    if not call.get("sudo_password"):
        return ["sudo", "-n"]
    drop = (Path(__file__).parent / "after_sudo.sh").read_text()
    return ["sudo", "-S", "-p", "", "bash", "-c", drop, STDIN_BEGINS]


def sudo_stdin(call: Mapping[str, Any]) -> str:
    """What comes before a command's own input: never an argument, which everybody on the machine could read."""
    if call["user"] == "root" or not call.get("root", True) or not call.get("sudo_password"):
        return ""
    return f"{call['sudo_password']}\n{STDIN_BEGINS}\n"


@dataclass(frozen=True)
class Ssh:
    """OpenSSH to one machine, by one shared connection."""

    call: dict[str, Any]
    folder: Path

    @classmethod
    def open(cls, call: dict[str, Any], folder: str) -> Ssh:
        """Writes keys and host keys where only this user reads them.

        Raises:
            Failure: the passphrase does not open the key.
        """
        base = Path(folder)
        hops = [("key", call), *([("jump_key", call["jump"])] if call.get("jump") else [])]
        for name, hop in hops:
            if hop.get("private_key"):
                _write_key(base / name, hop, call["name"])
        names = {known_name(hop["host"], hop["port"]): hop["host_key"] for _, hop in hops}
        (base / "known_hosts").write_text("".join(f"{name} {key}\n" for name, key in names.items()))
        return cls(call, base)

    @contextlib.contextmanager
    def forward(self, host: str, port: int, seconds: int = 30) -> Iterator[int]:
        """A port of this computer that leads to one that the machine reaches; as long as the block lasts.

        Raises:
            Failure: SSH to the machine failed.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()[1]
        more = ["-N", "-oExitOnForwardFailure=yes", "-L", f"127.0.0.1:{local}:{host}:{port}"]
        with subprocess.Popen(
            self._argv([*self._identity("key", self.call), *OPTIONS, QUIET, *more]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as tunnel:
            try:
                deadline = time.monotonic() + seconds
                while not _listens(local):
                    if tunnel.poll() is not None or time.monotonic() > deadline:
                        tunnel.kill()
                        said = tunnel.communicate()[1].strip()
                        raise Failure(self.explain(said) or f"{self.where}: no way through it ({said or 'no answer'})")
                    time.sleep(0.1)
                yield local
            finally:
                tunnel.kill()

    def run(self, *command: str, stdin: str = "", timeout: int = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command there; 255 is SSH's own failure, 254 means no answer in time."""
        call, jump = self.call, self.call.get("jump")
        options = [*self._identity("key", call), *OPTIONS, QUIET, *SHARED, f"-oControlPath={self.folder}/mux"]
        if jump:
            through = proxy_command(
                [*self._identity("jump_key", jump), *OPTIONS, "-oLogLevel=INFO"],
                jump["user"],
                jump["host"],
                jump["port"],
            )
            # Apart from the machine's own words, so that each failure is said of the right host.
            options.append(f"-oProxyCommand={through} 2>{shlex.quote(str(self._jump_words))}")
        argv = self._argv(options, *command)
        try:
            return subprocess.run(
                argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(argv, 254, "", f"no answer within {timeout} s")

    def run_script(
        self, text: str, *arguments: str, stdin: str = "", timeout: int = 60
    ) -> subprocess.CompletedProcess[str]:
        """Runs a script there as root, or as the login where that is all we have."""
        words = [*sudo_words(self.call), "bash", "-c", text, "tandem", *arguments]
        # ssh joins its words with blanks and the login shell splits them again: quote each one.
        return self.run(*(shlex.quote(word) for word in words), stdin=sudo_stdin(self.call) + stdin, timeout=timeout)

    def check_sudo(self) -> None:
        """Makes sure that root is reached; a wrong password is tried once only, since machines lock logins.

        Raises:
            Failure: sudo refuses, with what mends it.
        """
        call = self.call
        if not sudo_words(call):
            return
        password = call.get("sudo_password")
        words = ["env", "LC_ALL=C", "sudo", *(["-k", "-S", "-p", "''"] if password else ["-n"]), "bash", "-c", "true"]
        done = self.run(*words, stdin=f"{password}\n" if password else "", timeout=30)
        if not done.returncode:
            return
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        user = call["user"]
        without = f"echo '{user} ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/{user}"
        if "not found" in said:
            remedy = f"install sudo on the machine, or set ssh.user to root ({said})"
        elif "not in the sudoers" in done.stderr or "not allowed" in done.stderr:
            remedy = f"this login may not become root ({said}); use one that may, or allow it there as root: {without}"
        elif password:
            again = "`pulumi config set --secret sudoPassword`"
            remedy = f"sudo refuses the secret sudoPassword ({said}); set it again: {again}"
        elif "password is required" in done.stderr:
            remedy = (
                "sudo asks this login for a password; give it with `pulumi config set --secret sudoPassword`, or have "
                f"it ask no more, on the machine: {without}"
            )
        else:
            remedy = f"sudo refuses ({said}); use a login that may become root, or allow it there as root: {without}"
        raise Failure(f"{self.where}: {remedy}")

    def close(self) -> None:
        """Ends the shared connection."""
        if (self.folder / "mux").exists():
            subprocess.run(
                ["ssh", "-F", "none", f"-oControlPath={self.folder}/mux", "-O", "exit", "--", self.call["host"]],
                capture_output=True,
                timeout=10,
                check=False,
            )

    @property
    def where(self) -> str:
        """The machine as messages name it."""
        return f"{self.call['name']} ({self.call['user']}@{self.call['host']}:{self.call['port']})"

    def reason(self, done: subprocess.CompletedProcess[str]) -> str:
        """The last line of what stood in the way."""
        lines = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        errors = self._jump_errors().strip().splitlines()
        return f"{lines[-1]}; the jump host: {errors[-1]}" if errors else lines[-1]

    def explain(self, error: str) -> str | None:
        """The sentence for a failure that waiting can't mend; None for one it may."""
        call, jump, errors = self.call, self.call.get("jump"), self._jump_errors()
        if jump and errors.strip():
            where = f"{call['name']}: the jump host {jump['user']}@{jump['host']}:{jump['port']}"
            if "administratively prohibited" in errors:
                return f"{where} forwards no connections; allow it there (AllowTcpForwarding in sshd_config)"
            if sentence := _explain(errors, where, jump, "ssh.proxyJump"):
                return sentence
        return _explain(error, self.where, call, call.get("setting", "ssh.user"))

    @property
    def _jump_words(self) -> Path:
        return self.folder / "jump_words"

    def _argv(self, options: Sequence[str], *command: str) -> list[str]:
        call = self.call
        target = ["-p", str(call["port"]), "-l", call["user"], "--", call["host"]]
        return ["ssh", "-F", "none", *options, *target, *command]

    def _jump_errors(self) -> str:
        return self._jump_words.read_text(errors="replace") if self._jump_words.exists() else ""

    def _identity(self, name: str, hop: Mapping[str, Any]) -> list[str]:
        known = f"-oUserKnownHostsFile={self.folder}/known_hosts"
        if not hop.get("private_key"):
            return [known, "-oIdentityFile=none"]  # what the agent holds, and nothing that lies in ~/.ssh
        return [known, "-oIdentitiesOnly=yes", "-oIdentityAgent=none", f"-oIdentityFile={self.folder / name}"]


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _explain(error: str, where: str, hop: Mapping[str, Any], setting: str) -> str | None:
    target = f"ssh -p {hop['port']} {hop['user']}@{hop['host']}"
    if shows_another_key(error):
        return (
            f"{where}: the machine shows another host key than the one known for it; if it was reinstalled, "
            f"put its new key into the known hosts file (ssh-keyscan -p {hop['port']} {hop['host']}), "
            "otherwise somebody else answers at this address"
        )
    if "Too many authentication failures" in error:
        return (
            f"{where}: the machine gave up before the agent came to the right key; leave fewer keys in it "
            "(ssh-add -D, then ssh-add FILE)"
        )
    if "Permission denied" in error:
        key = "any key of the running ssh-agent" if not hop.get("private_key") else "this key"
        mend = (
            f"load the right one (ssh-add FILE) or correct {setting}"
            if not hop.get("private_key")
            else (f"correct {setting} and ssh.privateKeyFile")
        )
        return (
            f"{where}: the machine refuses {key}; add its public half to ~/.ssh/authorized_keys of {hop['user']} "
            f"there, or {mend} (try: {target})"
        )
    if "Load key" in error or "invalid format" in error or "error in libcrypto" in error:
        return (
            f"{where}: ssh.privateKeyFile is no private key that OpenSSH can use; give another (ssh-keygen -t ed25519)"
        )
    return None


def _write_key(file: Path, hop: Mapping[str, Any], name: str) -> None:
    """The private key, opened if it has a passphrase: `ssh` itself would ask a terminal for that."""
    file.touch(mode=0o600)
    file.write_text(hop["private_key"].rstrip("\n") + "\n")
    if not hop.get("passphrase"):
        return
    secret, helper = file.with_suffix(".passphrase"), file.with_suffix(".askpass")
    secret.touch(mode=0o600)
    secret.write_text(hop["passphrase"] + "\n")
    helper.touch(mode=0o700)
    helper.write_text(f"#!/bin/sh\nexec cat {shlex.quote(str(secret))}\n")
    # DISPLAY and a session of its own are what OpenSSH before 8.4 wants, which knows no SSH_ASKPASS_REQUIRE.
    askpass = {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    done = subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "", "-f", str(file)],
        env={**os.environ, **askpass},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    secret.unlink()
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Failure(
            f"{name}: the secret sshKeyPassphrase does not open the private key ({said}); set it again: "
            "`pulumi config set --secret sshKeyPassphrase`"
        )
