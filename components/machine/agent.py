"""SSH from this computer: acquire and clean up a machine, watch a step.

Run as a program by `local.Command` with its call as JSON on standard input; needs Python 3.11 and
OpenSSH's client, nothing else. Answers on standard output, progress on standard error, and ends with
one sentence that names cause and remedy when it fails.

    agent.py acquire | acquire-new | cleanup | launch STEP VERSION | await STEP VERSION | change STEP VERSION
    agent.py change-back
    agent.py secret | host-keys
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILES = Path(__file__).parent / "files"
PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(FILES))

from archive import content_hash, pack  # noqa: E402  # lies beside what travels
from openssh import Failure, Ssh, shows_another_key  # noqa: E402

__all__ = ["Failure", "Ssh", "acquire", "await_step", "change", "cleanup", "deliver", "launch", "main"]

ACQUIRE_SECONDS = int(os.environ.get("TANDEM_ACQUIRE_SECONDS", "300"))
"""How long a machine may take to answer: a cloud machine boots in one to three minutes."""
CLEANUP_SECONDS = int(os.environ.get("TANDEM_CLEANUP_SECONDS", "20"))
"""How long a machine is looked for when the stack is destroyed."""
LOST_SECONDS = int(os.environ.get("TANDEM_LOST_SECONDS", "600"))
"""How long a machine may be away in the middle of a step: a server's reboot takes up to ten minutes."""
REPEAT_SECONDS = 10
"""Until a line of the same stage is written again, where nobody shows lines; then twice as long, and so on."""
LONGEST_LINE = 2000


def say(line: str) -> None:
    """One line of progress; Pulumi's command plugin stops at one of 64 KiB."""
    print(line[:LONGEST_LINE], file=sys.stderr, flush=True)


def progress_socket(stack: str) -> str:
    """Where the program that declares a stack listens for lines (components/machine/progress.py).

    Other project folders and backends have stacks of the same name. The program, and we below Pulumi's plugin, run in
    the project's folder with the environment of the `pulumi` that started both; of one such stack, Pulumi's lock lets
    one `up` run at a time.
    """
    backend = [os.environ.get(name, "") for name in ("PULUMI_BACKEND_URL", "PULUMI_HOME")]
    place = "\0".join([stack, str(Path.cwd().resolve()), *backend])
    return f"{tempfile.gettempdir()}/tandem-{os.getuid()}-{hashlib.sha256(place.encode()).hexdigest()[:16]}.progress"


class Progress:
    """Lines that move: handed to the program that listens, or written where none does."""

    def __init__(self, stack: str, machine: str, step: str) -> None:
        self.path, self.machine, self.step = progress_socket(stack), machine, step
        self.stage, self.pause, self.said = "", REPEAT_SECONDS, 0.0

    def show(self, line: str) -> None:
        """One line."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sent:
            sent.settimeout(1)
            sent.sendto(json.dumps([self.machine, self.step, line[:LONGEST_LINE]]).encode(), self.path)
            return
        # All that is written is written once more when the step fails.
        stage, now = re.split(r"[\d(]", line, maxsplit=1)[0], time.monotonic()
        if stage != self.stage:
            self.pause = REPEAT_SECONDS
        elif now - self.said < self.pause:
            return
        else:
            self.pause *= 2
        say(f"{self.machine}: {line}")
        self.stage, self.said = stage, now


class OtherHostKey(Failure):
    """The machine shows another host key than the one known for it."""


def wait_for(ssh: Ssh) -> None:
    """Waits until SSH answers with the right keys."""
    call = ssh.call
    progress = Progress(call["stack"], call["name"], "lease")
    deadline = time.monotonic() + ACQUIRE_SECONDS
    while (tried := ssh.run("true", timeout=20)).returncode:
        error = tried.stderr.strip()
        if sentence := ssh.explain(error):
            raise OtherHostKey(sentence) if shows_another_key(error) else Failure(sentence)
        left = deadline - time.monotonic()
        reason = ssh.reason(tried)
        if left <= 0:
            raise Failure(
                f"{ssh.where}: SSH did not answer in {ACQUIRE_SECONDS} s ({reason}); start the machine, open its port "
                f"{call['port']} to this computer, or correct its address"
            )
        progress.show(f"waiting for SSH ({reason}), {left:.0f} s left")
        time.sleep(2)


def acquire(ssh: Ssh) -> str:
    """Waits until SSH answers with the right keys, then makes sure the machine is one we can work on."""
    call = ssh.call
    wait_for(ssh)
    ssh.check_sudo()
    done = ssh.run_script(_script(call, "acquire.sh"), call["stack"], str(int(time.time())), call["base"])
    if done.returncode:
        raise Failure(f"{ssh.where}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def acquire_new(ssh: Ssh) -> str:
    """Acquires a machine that may show the host key of its user data yet, which others may read, and replaces that."""
    try:
        wait_for(ssh)  # replaced already, by a call that was cut off
    except OtherHostKey:
        _replace_host_key(ssh)
    return acquire(ssh)


def _replace_host_key(ssh: Ssh) -> None:
    call = ssh.call
    with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
        first = Ssh.open({**call, "host_key": call["first_host_key"]}, folder)
        try:
            wait_for(first)
            done = first.run_script((FILES / "replace_host_key.sh").read_text(), stdin=call["own_host_key"])
        finally:
            first.close()
    if done.returncode:
        raise Failure(f"{ssh.where}: its host key could not be replaced: {(done.stderr or done.stdout).strip()}")
    for _ in range(20):  # sshd reads its keys anew when it gets to it
        if ssh.run("true", timeout=20).returncode == 0:
            return
        time.sleep(0.5)


def _script(call: Mapping[str, Any], name: str) -> str:
    """A script of the call: the files that make it, one after another."""
    return "".join((PROJECT / file).read_text() for file in call["script_files"][name])


def cleanup(ssh: Ssh) -> str:
    """Removes all that is ours; a machine that does not answer is left alone, and said so."""
    call = ssh.call
    deadline = time.monotonic() + CLEANUP_SECONDS
    while (tried := ssh.run("true", timeout=20)).returncode:
        if ssh.explain(tried.stderr) or time.monotonic() > deadline:
            say(
                f"{ssh.where}: not reached ({ssh.reason(tried)}), so nothing was removed there; if it still exists, "
                "run cleanup_common.sh and cleanup.sh of components/machine/files there, as one script"
            )
            return f"gone={call['name']}"
        time.sleep(1)
    variables = [f"{name}={value}" for name, value in sorted(call["cleanup"].items())]
    done = ssh.run_script(_script(call, "cleanup.sh"), call["stack"], call["base"], *variables, timeout=300)
    for line in done.stderr.splitlines():
        say(f"{call['name']}: {line}")
    if done.returncode:
        raise Failure(f"{ssh.where}: could not remove everything: {done.stderr.strip()}; mend that and destroy again")
    return done.stdout.strip()


def deliver(ssh: Ssh, step: str, version: str, mode: str) -> subprocess.CompletedProcess[str]:
    """A step's files onto the machine, where they run at once (`sync`) or as a unit (`launch`)."""
    call = ssh.call
    files = {name: (PROJECT / file).read_bytes() for name, file in call["files"].items()}
    if content_hash(files, call["variables"]) != version:
        raise Failure(f"{ssh.where}: {step}: a file of it was changed while `pulumi up` ran; run it again")
    archive = pack(files, {**call["variables"], **call.get("secrets", {})})
    words = (call["stack"], step, version, mode, call["base"])
    return ssh.run_script((FILES / "receive.sh").read_text(), *words, stdin=archive, timeout=300)


def launch(ssh: Ssh, step: str, version: str) -> str:
    """Starts a step, which runs on whatever becomes of the connection; a machine that boots is waited for."""
    progress = Progress(ssh.call["stack"], ssh.call["name"], step)
    deadline = time.monotonic() + ACQUIRE_SECONDS
    while (done := deliver(ssh, step, version, "launch")).returncode in (254, 255):
        if sentence := ssh.explain(done.stderr):
            raise Failure(sentence)
        left = deadline - time.monotonic()
        if left <= 0:
            raise Failure(
                f"{ssh.where}: {step}: SSH did not answer in {ACQUIRE_SECONDS} s ({ssh.reason(done)}); bring the "
                "machine back and run `pulumi up` again"
            )
        progress.show(f"waiting for SSH ({ssh.reason(done)}), {left:.0f} s left")
        time.sleep(2)
    if done.returncode:
        raise Failure(f"{ssh.where}: {step}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def await_step(ssh: Ssh, step: str) -> str:
    """Watches a step until it ends; connections may break and the machine may reboot meanwhile."""
    call = ssh.call
    poll = 'exec bash "${1/#\\~/$HOME}/run.sh" poll'
    progress = Progress(Path(call["folder"]).parts[-4], call["name"], step)
    lost, pause, began = 0.0, 0.2, time.monotonic()
    while True:
        done = ssh.run_script(poll, call["folder"], timeout=30)
        lines = done.stdout.splitlines()
        now = time.monotonic()
        if done.returncode in (254, 255) or not lines:
            if sentence := ssh.explain(done.stderr):
                raise Failure(sentence)
            lost = lost or now
            if now - lost > LOST_SECONDS:
                raise Failure(
                    f"{ssh.where}: gone for {LOST_SECONDS} s in the middle of {step}; bring the machine back and run "
                    "`pulumi up` again: the step goes on where it was"
                )
            line = f"connection lost, waiting for it to come back ({now - lost:.0f} s)"
        elif lines[0] == "finished":
            return "\n".join(lines[1:])
        elif lines[0] == "failed":
            raise Failure(f"{ssh.where}: {step}: " + "\n".join(lines[1:]))
        else:
            lost = 0.0
            line = f"{' '.join(lines[1:]) or step} ({now - began:.0f} s)"
        progress.show(line)
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def change(ssh: Ssh, step: str, version: str) -> str:
    """Makes a change that the machine takes back by itself, and confirms it over a connection made after it.

    So that nobody is locked out by it, and an established connection proves nothing.
    """
    call = ssh.call
    done = deliver(ssh, step, version, "sync")
    if done.returncode:
        raise Failure(ssh.explain(done.stderr) or f"{ssh.where}: {step}: {(done.stderr or done.stdout).strip()}")
    seconds = int(call["seconds"])
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
        anew = Ssh.open(call, folder)
        try:
            while (tried := anew.run_script('exec bash "$@"', *call["confirm"], timeout=20)).returncode in (254, 255):
                if time.monotonic() > deadline:
                    raise Failure(
                        f"{ssh.where}: {step}: no new SSH connection came through ({anew.reason(tried)}), so the "
                        f"machine takes it back by itself {seconds} s after it was made; see what else changed there, "
                        "and run `pulumi up` again"
                    )
                time.sleep(1)
        finally:
            anew.close()
    if tried.returncode:
        raise Failure(f"{ssh.where}: {step}: {(tried.stderr or tried.stdout).strip()}")
    return done.stdout.strip()


def change_back(ssh: Ssh) -> str:
    """Takes a change back; a machine that does not answer is left alone, and said so."""
    done = ssh.run_script('exec bash "$@"', *ssh.call["back"], timeout=60)
    if done.returncode in (254, 255):
        say(f"{ssh.where}: not reached ({ssh.reason(done)}), so {' '.join(ssh.call['back'])} was not run there")
    elif done.returncode:
        raise Failure(f"{ssh.where}: {done.stderr.strip()}; mend that and run `pulumi up` again")
    return ""


def host_keys() -> str:
    """Two new pairs as JSON, `first` and `own`, each with `private` and `public`."""
    return json.dumps({"first": _key_pair(), "own": _key_pair()})


def _key_pair() -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
        file = Path(folder) / "key"
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "tandem", "-f", str(file)]
        subprocess.run(argv, check=True, capture_output=True)
        public = " ".join(file.with_suffix(".pub").read_text().split()[:2])
        return {"private": file.read_text(), "public": public}


def main(words: list[str]) -> int:
    """Runs one call; 0 or 1 with a sentence on standard error."""
    what = words[0] if words else ""
    if what in ("secret", "host-keys"):
        print(secrets.token_hex(24) if what == "secret" else host_keys(), end="")
        return 0
    call = json.load(sys.stdin)
    try:
        with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
            ssh = Ssh.open(call, folder)
            try:
                match what:
                    case "acquire":
                        print(acquire(ssh))
                    case "acquire-new":
                        print(acquire_new(ssh))
                    case "cleanup":
                        print(cleanup(ssh))
                    case "launch":
                        print(launch(ssh, words[1], words[2]))
                    case "await":
                        print(await_step(ssh, words[1]))
                    case "change":
                        print(change(ssh, words[1], words[2]))
                    case "change-back":
                        print(change_back(ssh), end="")
                    case _:
                        known = "acquire, acquire-new, cleanup, launch, await, change, change-back, secret or host-keys"
                        raise Failure(f"unknown call {what!r}; use {known}")
            finally:
                ssh.close()
    except Failure as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
