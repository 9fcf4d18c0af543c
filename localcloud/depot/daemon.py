"""The depot as a process of its own: start, stop, status."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.errors import LocalCloudError

ROOT = Path(__file__).parents[2]
START_SECONDS = 20
STOP_SECONDS = 10


@dataclass(frozen=True)
class Running:
    """A depot that runs. `started` is the kernel's start time of the process, which tells it from a later one."""

    pid: int
    started: str
    url: str
    journal: str


def start(arguments: list[str], listen: str, state: Path) -> Running:
    """Start a depot with the arguments of its `serve` command and wait until it answers; one that runs is kept.

    Raises:
        LocalCloudError: it ended while starting, with its last words.
    """
    found = status(state)
    url = f"http://{listen}"
    if found:
        if found.url != url:
            raise LocalCloudError(
                f"The depot of {state} runs at {found.url}: stop it first, or give the new one another --state."
            )
        return found
    state.mkdir(parents=True, exist_ok=True)
    log = state / "depot.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "localcloud.depot", "serve", *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Running(process.pid, _started(process.pid) or "", url, str(state / "requests.jsonl"))
    deadline = time.monotonic() + START_SECONDS
    while not _answers(running):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise LocalCloudError(f"The depot at {listen} did not start: {last[0]} (see {log}).")
        time.sleep(0.05)
    draft = state / "depot.json.new"
    draft.write_text(json.dumps(asdict(running)))
    draft.rename(state / "depot.json")
    return running


def stop(state: Path) -> bool:
    """Stop the depot; False if none runs."""
    found = status(state)
    if found:
        os.kill(found.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while _alive(found):
            if time.monotonic() > deadline:
                os.kill(found.pid, signal.SIGKILL)
            time.sleep(0.02)
    (state / "depot.json").unlink(missing_ok=True)
    return found is not None


def status(state: Path) -> Running | None:
    """The depot that runs with this state, if one does."""
    with contextlib.suppress(FileNotFoundError):
        running = Running(**json.loads((state / "depot.json").read_text()))
        if _alive(running):
            return running
    return None


def _alive(running: Running) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(running.pid, os.WNOHANG)
    return _started(running.pid) == running.started


def _started(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat (proc(5)); None when there is no such process or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields[19]


def _answers(running: Running) -> bool:
    """Whether it answers, and not another depot at its address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with contextlib.suppress(OSError), opener.open(f"{running.url}/depot/health", timeout=2) as answer:
        return bool(json.load(answer)["journal"] == running.journal)
    return False
