"""Supervises one process on a machine without an init of ours: in its own session, restarted, its log kept.

    process_supervisor.py start FOLDER             as FOLDER/spec.json says, ending first what still runs there
    process_supervisor.py stop FOLDER              with everything it has started
    process_supervisor.py status FOLDER            `running ID` or `gone`
    process_supervisor.py exec FOLDER WORD...      a command with the process's environment

spec.json: `argv`, `environment`, `path` (folders before PATH), `renames` (a path as the words have it, to where it is
here; a value that begins with `./` lies in FOLDER) and `owner`, which marks everything that is started.
A supervisor holds a lock on FOLDER/lock as long as it lives; FOLDER/supervisor names it by pid and start time.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, NoReturn

GRACE = 30.0
"""Seconds a process has to end by itself: a supervisor gives its engine half of that."""
LOG_BYTES, LOG_FILES = 50 << 20, 3
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
LIBC = ctypes.CDLL(None, use_errno=True)


def start_time(pid: int) -> str:
    """When a process began, in the kernel's ticks; empty when it is gone. With the pid it names one process ever."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def held(folder: Path) -> bool:
    """Whether a supervisor lives there."""
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def last_supervisor(folder: Path) -> tuple[int, str, str]:
    """Pid, start time and id of the supervisor that was there last."""
    try:
        pid, began, name = (folder / "supervisor").read_text().split()
    except (OSError, ValueError):
        return 0, "", ""
    return int(pid), began, name


def descendants(pid: int) -> list[int]:
    """All processes below one, children before their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = list(children.get(pid, []))
    for one in found:
        found += children.get(one, [])
    return found


def signal_all(pids: list[int], number: int) -> None:
    """To whoever of them is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def temporary(owner: str) -> Path:
    """A folder for sockets, whose paths may have 107 bytes only, so it can't lie deep; of one owner and login."""
    login = f"{owner}-{os.getuid()}"
    return Path("/tmp") / f"tandem-{hashlib.sha256(login.encode()).hexdigest()[:10]}"  # noqa: S108  # made 0700 below


def rename(folder: Path, renames: dict[str, str], text: str) -> str:
    """The text with every path that begins with a renamed folder at its place here."""
    for before, after in renames.items():
        here = str(folder / after[2:]) if after.startswith("./") else str(Path(after).expanduser())
        text = re.sub(rf"(?<![\w.~/-]){re.escape(before)}(?![\w.-])", lambda _, here=here: here, text)  # type: ignore[misc]
    return text


def environment(folder: Path, spec: dict[str, Any]) -> dict[str, str]:
    """The login's environment, then the process's own."""
    base = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")}
    place = temporary(spec["owner"])
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.getuid() or place.is_symlink():
        raise SystemExit(f"{place} belongs to somebody else on this machine; have it removed")
    own = {name: rename(folder, spec["renames"], value) for name, value in spec["environment"].items()}
    paths = [rename(folder, spec["renames"], str(Path(p).expanduser())) for p in spec["path"]]
    path = os.pathsep.join([*paths, own.pop("PATH", base.get("PATH", os.defpath))])
    # What engines compile lies with the stack, for its next start, and goes with it: vLLM, PyTorch, Triton and CUDA.
    cache = folder.resolve().parents[1] / "cache"
    return {
        **base,
        **{name: str(place) for name in ("TMPDIR", "RAY_TMPDIR")},
        **{name: str(cache) for name in ("XDG_CACHE_HOME", "TRITON_HOME")},
        "CUDA_CACHE_PATH": str(cache / "nv"),
        "PYTHONUNBUFFERED": "1",
        **own,
        "PATH": path,
        "TANDEM_OWNER": spec["owner"],
    }


class Log:
    """FOLDER/log, the older parts beside it."""

    def __init__(self, path: Path) -> None:
        self.path, self.guard = path, threading.Lock()

    def write(self, data: bytes) -> None:
        """Adds, and begins a new file when the old one is large."""
        with self.guard:
            with self.path.open("ab") as file:
                file.write(data)
                size = file.tell()
            if size > LOG_BYTES:
                for number in range(LOG_FILES - 1, 0, -1):
                    older = self.path.with_name(f"log.{number - 1}") if number > 1 else self.path
                    if older.exists():
                        older.replace(self.path.with_name(f"log.{number}"))

    def say(self, line: str) -> None:
        """One line of ours."""
        self.write(f"tandem: supervisor: {line}\n".encode())

    def copy(self, source: IO[bytes]) -> None:
        """All that a process says, from now on."""

        def run() -> None:
            while part := os.read(source.fileno(), 65536):
                self.write(part)
            source.close()

        threading.Thread(target=run, daemon=True).start()


def become(argv: list[str]) -> NoReturn:
    """In the child: a supervisor that is killed takes its process along, instead of leaving it on its ports."""
    LIBC.prctl(SET_PDEATHSIG, signal.SIGTERM)
    try:
        os.execvp(argv[0], argv)  # noqa: S606  # no shell is wanted
    except OSError as error:
        print(f"tandem: supervisor: error: {argv[0]} can't be started ({error})", flush=True)
        os._exit(127)


def adopt(child: subprocess.Popen[bytes]) -> None:
    """The dead among adopted orphans: a dead process that nobody took in still counts as one of its group."""
    with contextlib.suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid == child.pid:
                child.poll()
            else:
                os.waitpid(found.si_pid, 0)


def end(child: subprocess.Popen[bytes]) -> None:
    """The process and all below us: kindly, then not."""
    began = time.monotonic()
    if child.poll() is None:
        child.terminate()
    ended = False
    while child.poll() is None or descendants(os.getpid()):
        adopt(child)
        if child.poll() is not None and not ended:
            ended = True
            signal_all(descendants(os.getpid()), signal.SIGTERM)
        if time.monotonic() - began > GRACE:
            signal_all(descendants(os.getpid()), signal.SIGKILL)
        time.sleep(0.1)


def supervise(folder: Path, ready: int) -> NoReturn:
    """Forever: run, and again."""
    spec = json.loads((folder / "spec.json").read_text())
    lock = (folder / "lock").open("w")
    for tries in range(20):  # who asks for the status holds it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if tries == 19:  # the last one
                raise SystemExit("another supervisor is there") from None
            time.sleep(0.1)
    LIBC.prctl(SET_CHILD_SUBREAPER, 1)
    log = Log(folder / "log")
    ending: list[int] = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.append(1))
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_MEMLOCK):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (hard, hard))
    argv = [rename(folder, spec["renames"], word) for word in spec["argv"]]
    variables = environment(folder, spec)
    own = os.getpid()
    (folder / "supervisor.new").write_text(f"{own} {start_time(own)} {os.urandom(6).hex()}\n")
    (folder / "supervisor.new").replace(folder / "supervisor")
    os.write(ready, b"1")
    os.close(ready)
    pause = 1.0
    while not ending:
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, __file__, "become", str(folder), *argv],
            env=variables,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert child.stdout  # noqa: S101  # it was asked for
        log.copy(child.stdout)
        while child.poll() is None and not ending:
            adopt(child)
            time.sleep(0.2)
        code = child.poll()
        end(child)
        if ending:
            break
        (folder / "restarts").open("a").write(f"{code}\n")
        # Quick failures wait longer and longer; what ran for minutes is started again at once.
        pause = 1.0 if time.monotonic() - began > 120 else min(pause * 2, 30.0)
        log.say(f"the process ended with {code}, starting it again in {pause:.0f} s")
        deadline = time.monotonic() + pause
        while not ending and time.monotonic() < deadline:
            time.sleep(0.2)
    log.say("stopped")
    os._exit(0)


def start(folder: Path) -> None:
    """Returns when a supervisor holds the folder.

    Raises:
        SystemExit: it did not come up.
    """
    stop(folder)
    (folder / "restarts").unlink(missing_ok=True)
    started, ready = os.pipe()
    if os.fork() == 0:
        os.close(started)
        os.setsid()
        if os.fork():
            os._exit(0)
        errors = os.open(folder / "supervisor.errors", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, target in ((0, nothing), (1, nothing), (2, errors)):
            os.dup2(target, number)
        supervise(folder, ready)
    os.close(ready)
    if os.read(started, 1) != b"1":
        raise SystemExit(f"the supervisor did not start: {(folder / 'supervisor.errors').read_text()[-300:].strip()}")


def stop(folder: Path) -> None:
    """Returns when nothing of it runs."""
    pid, began, _ = last_supervisor(folder)
    alive = held(folder) and start_time(pid) == began
    if alive:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE + 10
        while held(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        if held(folder):
            signal_all([pid, *descendants(pid)], signal.SIGKILL)


def main() -> int:
    """Reads the arguments."""
    what, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    if what == "start":
        start(folder)
    elif what == "stop":
        stop(folder)
    elif what == "become":
        become(sys.argv[3:])
    elif what == "status":
        print(f"running {last_supervisor(folder)[2]}" if held(folder) else "gone")
    elif what == "exec":
        spec = json.loads((folder / "spec.json").read_text())
        words = [rename(folder, spec["renames"], word) for word in sys.argv[3:]]
        variables = environment(folder, spec)
        os.environ["PATH"] = variables["PATH"]
        os.execvpe(words[0], words, variables)  # noqa: S606  # no shell is wanted
    else:
        print(f"process_supervisor.py: unknown call {what!r}; use start, stop, status or exec", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
