"""The local cloud in the background: start, stop, status, admin calls, and the end of all it made."""

import os
import shutil
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from localcloud.cloud.admin import KEY_HEADER
from localcloud.cloud.settings import Settings
from localcloud.errors import LocalCloudError
from localcloud.http.client import call
from localcloud.system.daemon import Daemon
from localcloud.system.processes import ProcessRecord

STOP_SECONDS = 60.0


def start(folder: Path, changes: dict[str, object]) -> dict[str, Any]:
    """Starts a server in the background and waits until it answers; one that runs is kept. Returns its status.

    Raises:
        LocalCloudError: it does not start, with its last line; or it runs with other settings.
    """
    daemon = _daemon(folder)
    running = daemon.process() is not None
    settings = Settings.load(folder, {} if running else changes)
    if running:
        different = [name for name, value in changes.items() if getattr(settings, name) != value]
        if different:
            raise LocalCloudError(
                f"The local cloud of {folder} runs with another {different[0]} ({getattr(settings, different[0])}): "
                f"stop it first with `python -m localcloud cloud stop`."
            )
        return status(folder)
    if settings.backend == "machines":
        from localcloud.cloud.real_backend import prepare

        prepare()  # in this process, where a failure is seen
    daemon.start("cloud", lambda: bool(status(folder)["running"]))
    return status(folder)


def serve(folder: Path) -> None:
    """Serves in the foreground until SIGTERM or SIGINT."""
    from localcloud.cloud.service import Service  # half of a second that no other command needs

    settings = Settings.load(folder, {})
    service = Service(folder, settings)
    replace(settings, port=service.port).save(folder)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    service.start()
    ProcessRecord.of("cloud", os.getpid()).save(_daemon(folder).record)
    done.wait()
    service.stop()
    _daemon(folder).record.unlink(missing_ok=True)


def stop(folder: Path) -> bool:
    """Ends the server, and leaves machines and state; False if none runs.

    Raises:
        LocalCloudError: it does not end.
    """
    return _daemon(folder).stop(STOP_SECONDS)


def wipe(folder: Path) -> None:
    """Destroys the machines, networks, folders and state of a cloud that does not run."""
    if not (folder / "settings.json").exists():
        return
    if (folder / "machines").exists():
        from localcloud.cloud.real_backend import RealBackend

        RealBackend(folder, Settings.load(folder, {}).public_network).wipe()
    shutil.rmtree(folder)


def status(folder: Path) -> dict[str, Any]:
    """What others script: running, endpoint, region, keys, account, authority (PEM file), log, state, problems."""
    daemon = _daemon(folder)
    process = daemon.process()
    file = folder / "settings.json"
    if not file.exists():
        return {"running": False, "state": str(folder)}
    settings = Settings.load(folder, {})
    endpoint = f"127.0.0.1:{settings.port}"
    running = process is not None and _answers(endpoint)
    return {
        "running": running,
        "endpoint": endpoint,
        "region": settings.region,
        "accessKey": settings.key,
        "secretKey": settings.secret,
        "accountId": settings.account,
        "backend": settings.backend,
        "speed": settings.speed,
        "publicNetwork": settings.public_network,
        "pid": process.pid if process else None,
        "authority": str(folder / "ca.pem"),
        "calls": str(folder / "calls.jsonl"),
        "log": str(daemon.log),
        "state": str(folder),
        "problems": ask(folder, "GET", "problems", {}) if running else [],
    }


def ask(folder: Path, method: str, path: str, order: dict[str, object]) -> Any:  # noqa: ANN401 - any JSON
    """One admin call; raises LocalCloudError when the answer is an error."""
    settings = Settings.load(folder, {})
    url = f"http://127.0.0.1:{settings.port}/-/{path}"
    try:
        code, answer = call(url, method, order, {KEY_HEADER: settings.secret})
    except OSError as error:
        raise LocalCloudError(
            f"The local cloud of {folder} does not answer ({error}): start it with `python -m localcloud cloud start`."
        ) from None
    if code != 200:
        raise LocalCloudError(str(answer["error"]))
    return answer


def _daemon(folder: Path) -> Daemon:
    words = ("cloud", "serve", "--state", str(folder))
    return Daemon("The local cloud", words, folder / "process.json", folder / "server.log")


def _answers(endpoint: str) -> bool:
    try:
        return call(f"http://{endpoint}/-/health", seconds=2)[0] == 200
    except OSError:
        return False
