"""The local cloud as a process of its own: start, stop, status."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings
from localcloud.errors import LocalCloudError
from localcloud.system.processes import ProcessRecord

ROOT = Path(__file__).parents[2]
START_SECONDS = 60
STOP_SECONDS = 60


def start(folder: Path, changes: dict[str, object]) -> dict[str, Any]:
    """Starts a server in the background and waits until it answers; one that runs is kept. Returns its status.

    Raises:
        LocalCloudError: it does not start, with its last words; or it runs with other settings.
    """
    settings = Settings.load(folder, {}) if _process(folder) else Settings.load(folder, changes)
    if _process(folder):
        different = [name for name, value in changes.items() if getattr(settings, name) != value]
        if different:
            raise LocalCloudError(
                f"The local cloud of {folder} runs with another {different[0]} ({getattr(settings, different[0])}): "
                f"stop it first with `python -m localcloud stop`."
            )
        return status(folder)
    if settings.backend == "machines":
        from localcloud.cloud.real_backend import prepare

        prepare()  # here, where a failure is seen, and not behind the server's door
    log = folder / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "localcloud", "serve", "--state", str(folder)],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS
    while not status(folder)["running"]:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise LocalCloudError(f"The local cloud did not start: {last[0]} (see {log}).")
        time.sleep(0.05)
    return status(folder)


def serve(folder: Path) -> None:
    """Serves in the foreground until SIGTERM or SIGINT."""
    settings = Settings.load(folder, {})
    service = Service(folder, settings)
    replace(settings, port=service.port).save(folder)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    service.start()
    ProcessRecord.of("localcloud", os.getpid()).save(folder / "process.json")
    done.wait()
    service.stop()
    (folder / "process.json").unlink(missing_ok=True)


def stop(folder: Path) -> bool:
    """Ends the server, and leaves machines and state; False if none runs.

    Raises:
        LocalCloudError: it does not end.
    """
    process = _process(folder)
    if process is None:
        return False
    process.signal(signal.SIGTERM)
    if not process.ended(STOP_SECONDS):
        raise LocalCloudError(f"The local cloud (process {process.pid}) does not end: see {folder / 'server.log'}.")
    return True


def status(folder: Path) -> dict[str, Any]:
    """What others script: running, endpoint, region, keys, account, authority (PEM file), log, state, problems."""
    process = _process(folder)
    file = folder / "settings.json"
    if not file.exists():
        return {"running": False, "state": str(folder)}
    settings = Settings.load(folder, {})
    endpoint = f"127.0.0.1:{settings.port}"
    running = process is not None and _answers(endpoint)
    return {
        "running": running, "endpoint": endpoint, "region": settings.region, "accessKey": settings.key,
        "secretKey": settings.secret, "accountId": settings.account, "backend": settings.backend,
        "speed": settings.speed, "publicNetwork": settings.public_network, "pid": process.pid if process else None,
        "authority": str(folder / "ca.pem"), "calls": str(folder / "calls.jsonl"), "log": str(folder / "server.log"),
        "state": str(folder), "problems": ask(folder, "GET", "problems", {}) if running else [],
    }  # fmt: skip


def ask(folder: Path, method: str, path: str, wish: dict[str, object]) -> Any:  # noqa: ANN401 - any JSON
    """One admin call; raises LocalCloudError when it is refused."""
    settings = Settings.load(folder, {})
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings.port}/-/{path}", json.dumps(wish).encode(), {"x-tandem-secret": settings.secret},
        method=method,
    )  # fmt: skip
    try:
        with _OPENER.open(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise LocalCloudError(str(json.load(error)["error"])) from None
    except OSError as error:
        raise LocalCloudError(
            f"The local cloud of {folder} does not answer ({error}): start it with `python -m localcloud start`."
        ) from None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback needs no proxy


def _process(folder: Path) -> ProcessRecord | None:
    try:
        process = ProcessRecord.load(folder / "process.json")
    except FileNotFoundError:
        return None
    return process if process.alive() else None


def _answers(endpoint: str) -> bool:
    try:
        with _OPENER.open(f"http://{endpoint}/-/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
