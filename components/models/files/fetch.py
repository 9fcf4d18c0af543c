"""Brings weights into a folder and proves them right. One writer, resumable, watched.

Told by environment: SOURCE, MODEL_ID, REVISION, ENDPOINT, FOLDER, STALL_SECONDS, HUB_TOKEN, and lib.sh's TANDEM_DIR.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

HERE = Path(os.environ["TANDEM_DIR"])
sys.path.insert(0, str(HERE))

from folder import File, read_manifest, size_on_disk, write_manifest, wrong_files  # noqa: E402  # lies beside us

SOURCE, MODEL, REVISION = os.environ["SOURCE"], os.environ["MODEL_ID"], os.environ["REVISION"]
FOLDER = Path(os.environ["FOLDER"])
STALL_SECONDS = int(os.environ["STALL_SECONDS"])
"""Without one new byte for this long a download is started again; it resumes where it was."""
TRIES = int(os.environ.get("DOWNLOAD_TRIES", "8"))


def fail(sentence: str) -> NoReturn:
    """One sentence for the user, then the end."""
    (HERE / "error").write_text(sentence + "\n")
    print("FAILED:", sentence, flush=True)
    sys.exit(1)


def status(line: str) -> None:
    """The line that moves in front of the user."""
    (HERE / "status").write_text(line + "\n")


def amount(count: float) -> str:
    """Bytes for a reader."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"


class Progress:
    """A percentage that moves, with rate and time left."""

    def __init__(self, verb: str, total: int) -> None:
        self.verb, self.total, self.done, self.began = verb, max(total, 1), 0, time.monotonic()

    def add(self, count: int) -> None:
        """More bytes were handled."""
        self.to(self.done + count)

    def to(self, done: int) -> None:
        """So many bytes in all."""
        self.done = done
        rate = done / max(time.monotonic() - self.began, 0.001)
        left = (self.total - done) / rate if rate else 0
        percent = min(100, 100 * done // self.total)
        status(f"{self.verb} {MODEL}: {percent} % of {amount(self.total)}, {amount(rate)}/s, {left:.0f} s left")


def lock() -> None:
    """One writer: the lock is held until this process ends, and names who holds it."""
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    path = FOLDER.parent / f".{FOLDER.name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            status(f"another process on this machine writes {FOLDER}; waiting for it")
            time.sleep(1)
    # NFS without lockd keeps flock on one machine: across machines the owner's name and age decide.
    while True:
        owner = os.pread(handle, 200, 0).decode().strip()
        if not owner or owner == socket.gethostname() or time.time() - path.stat().st_mtime > 3 * STALL_SECONDS:
            break
        status(f"{owner} writes {FOLDER}; waiting for it")
        time.sleep(2)
    os.ftruncate(handle, 0)
    os.pwrite(handle, socket.gethostname().encode(), 0)


def unlock() -> None:
    """Gives the lock to whoever comes next."""
    (FOLDER.parent / f".{FOLDER.name}.lock").unlink(missing_ok=True)


def enough_space(files: list[File]) -> None:
    """Refuses before the first byte when the model can't fit."""
    missing = sum(f.size for f in files) - (size_on_disk(FOLDER) if FOLDER.exists() else 0)
    free = shutil.disk_usage(FOLDER.parent).free
    if missing > free:
        fail(
            f"{FOLDER.parent} has {amount(free)} free and {MODEL} needs {amount(missing)} more; "
            "free space there or use a larger storage"
        )


def download(total: int) -> None:
    """Runs the hub's client as a child, and again when it dies or stands still."""
    from hubs import REFUSED

    progress = Progress("downloading", total)
    for attempt in range(1, TRIES + 1):
        argv = [sys.executable, str(HERE / "hubs.py"), SOURCE, MODEL, REVISION, str(FOLDER)]
        child = subprocess.Popen(argv, start_new_session=True)
        last, moved = -1, time.monotonic()
        while child.poll() is None:
            time.sleep(0.5)
            now = size_on_disk(FOLDER)
            os.utime(FOLDER.parent / f".{FOLDER.name}.lock")
            progress.to(now)
            if now != last:
                last, moved = now, time.monotonic()
            elif time.monotonic() - moved > STALL_SECONDS:
                print(f"no new byte for {STALL_SECONDS} s: starting the download again", flush=True)
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        if child.returncode == 0:
            return
        if child.returncode == REFUSED:
            sys.exit(1)  # it has written the sentence
        if shutil.disk_usage(FOLDER.parent).free < 16 << 20:
            fail(f"{FOLDER.parent} is full; free space there, then run `pulumi up` again: the download goes on")
        print(f"try {attempt} of {TRIES} ended with {child.returncode}; it resumes where it was", flush=True)
        time.sleep(min(2**attempt, 30))
    fail(f"{MODEL} could not be downloaded in {TRIES} tries; see the log, and model.endpoint for a mirror")


def verify(files: list[File]) -> list[tuple[File, str]]:
    """Reads every byte once; what is wrong, with reasons."""
    progress = Progress("verifying", sum(f.size for f in files))
    return list(wrong_files(FOLDER, files, progress.add))


def from_hub() -> str:
    """Downloads until every checksum is the hub's."""
    from hubs import listing

    lock()
    FOLDER.mkdir(parents=True, exist_ok=True)
    status(f"asking for the files of {MODEL}")
    try:
        revision, files = listing(SOURCE, MODEL, REVISION or None)
    except LookupError as error:
        fail(str(error))
    except Exception as error:  # the clients raise many kinds; what matters is that the hub wasn't reached
        known = read_manifest(FOLDER)
        if known is None:
            fail(f"the hub did not answer for {MODEL} ({type(error).__name__}: {error}); see model.endpoint")
        print(f"the hub did not answer ({error}); verifying what was verified before", flush=True)
        revision, files = known
    enough_space(files)
    downloads = 0
    while wrong := verify(files):
        if downloads == 2:
            file, reason = wrong[0]
            fail(f"{FOLDER / file.path} {reason} after downloading it twice; the hub or the storage alters bytes")
        for file, reason in wrong:
            print(f"{file.path} {reason}", flush=True)
            if reason != "is missing":
                (FOLDER / file.path).unlink()
        download(sum(f.size for f in files))
        downloads += 1
    write_manifest(FOLDER, files, revision)
    unlock()
    return revision


def from_path() -> str:
    """Weights that somebody put on the storage."""
    if not (FOLDER / "config.json").is_file() and not any(FOLDER.glob("*.gguf")):
        fail(
            f"{FOLDER} holds neither a config.json nor a GGUF file; with source path, model.id is a folder on the "
            "storage with weights in it"
        )
    known = read_manifest(FOLDER)
    if known and (wrong := verify(known[1])):
        file, reason = wrong[0]
        fail(f"{FOLDER / file.path} {reason}; copy it again")
    return known[0] if known else "unknown"


if __name__ == "__main__":
    if os.environ["ENDPOINT"]:
        os.environ["HF_ENDPOINT"] = os.environ["MODELSCOPE_ENDPOINT"] = os.environ["ENDPOINT"]
    # xet writes chunks to a cache of its own first; plain HTTP writes straight to the storage, once.
    os.environ["HF_HUB_DISABLE_XET"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    commit = from_path() if SOURCE == "path" else from_hub()
    (HERE / "result").write_text(f"folder={FOLDER} revision={commit}\n")
