"""What a machine of a deployment is like now, as JSON on standard output. Changes nothing, judges nothing.

Runs on the machine (Python 3.8 and newer, nothing else), sent by run.py. Each fact is read in a thread of its own; one
that isn't there by the deadline is named in `late`, and one that failed in `failed`.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import packet_loss
import pci
import ports
import weights

PROC = Path("/proc")
GROUP = "/tandem/group.json"


def main(call: dict[str, Any]) -> None:
    """Prints the facts.

    Args:
        call: `stack`, `folder` (the deployment's on the machine), `native`, `seconds` (the deadline), `peers` (address
            and port by name), `fetch` (URLs), `mount` (a folder), `weights` (folders), `ports` (words of ports.py),
            `nvidia` (a script's text; empty for none), `firewall` (whether there is one), `path` (folders whose disks
            matter).
    """
    began = time.time()
    call["folder"] = str(Path(call["folder"]).expanduser())
    os.environ.update(_outside(Path(call["folder"])))
    found: dict[str, Any] = {}
    failed: dict[str, str] = {}

    def read(name: str, fact: Callable[[dict[str, Any]], Any]) -> None:
        try:
            found[name] = fact(call)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"

    threads = {
        name: threading.Thread(target=read, args=(name, fact), daemon=True)
        for name, fact in FACTS.items()
        if not (name == "nvidia" and not call["nvidia"])
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + float(call["seconds"])
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = [name for name, thread in threads.items() if thread.is_alive()]
    whole = {"began": began, "ended": time.time(), "late": late, "failed": dict(failed), **dict(found)}
    sys.stdout.write(json.dumps(whole))
    sys.stdout.flush()
    os._exit(0)  # a thread that waits for a dead storage would keep the process


def run(words: list[str], seconds: float = 20, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """A program, in English."""
    return subprocess.run(
        words,
        input=stdin,
        capture_output=True,
        timeout=seconds,
        check=False,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
    )


def machine(call: dict[str, Any]) -> dict[str, Any]:
    """Kernel and memory in bytes."""
    lines = (PROC / "meminfo").read_text().splitlines()
    memory = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.split()[1:2]}
    return {
        "kernel": platform.release(),
        "arch": platform.machine(),
        "cpus": os.cpu_count(),
        "memory": memory["MemTotal"],
        "available": memory["MemAvailable"],
        "python": platform.python_version(),
    }


def disks(call: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Bytes and inodes of each file system that is written to, by one of its folders."""
    found: dict[str, dict[str, int]] = {}
    devices = set()
    docker = not call["native"] and shutil.which("docker")
    root = run(["docker", "info", "--format", "{{.DockerRootDir}}"]).stdout.strip() if docker else ""
    for path in (*call["path"], call["folder"], *([root] if root else [])):
        if not os.path.isdir(path):  # noqa: PTH112
            continue
        device, filesystem = os.stat(path).st_dev, os.statvfs(path)  # noqa: PTH116
        if device not in devices:
            devices.add(device)
            found[path] = {
                "bytes": filesystem.f_blocks * filesystem.f_frsize,
                "free": filesystem.f_bavail * filesystem.f_frsize,
                "inodes": filesystem.f_files,
                "inodes_free": filesystem.f_favail,
            }
    return found


def interfaces(call: dict[str, Any]) -> dict[str, str]:
    """State of each network interface, as the kernel has it: up, down, unknown."""
    return {
        entry.name: (entry / "operstate").read_text().strip()
        for entry in Path("/sys/class/net").iterdir()
        if (entry / "operstate").exists()
    }


def bus(call: dict[str, Any]) -> dict[str, Any]:
    """GPUs, switches and RDMA ports."""
    return asdict(pci.read_bus(Path("/sys")))


def nvidia(call: dict[str, Any]) -> dict[str, list[str]]:
    """What nvidia.sh says: lists of text by name."""
    found: dict[str, list[str]] = {}
    for line in run(["bash", "-s"], 50, call["nvidia"]).stdout.splitlines():
        name, _, text = line.partition("\t")
        found.setdefault(name, []).append(text)
    return found


def peers(call: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The other machines as this one reaches them: `error` (empty: reached) and `loss` in percent (None: not known)."""
    found: dict[str, dict[str, Any]] = {}

    def look(name: str, address: str, port: int) -> None:
        found[name] = {"error": connect(address, port)}
        found[name]["loss"] = None if found[name]["error"] else packet_loss.percent(address)

    threads = [
        threading.Thread(target=look, args=(name, each["address"], each["port"]), daemon=True)
        for name, each in call["peers"].items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    return found


def connect(address: str, port: int) -> str:
    """Why no packet comes back; empty where one does, if only to refuse."""
    for seconds in (3, 8):
        try:
            socket.create_connection((address, port), timeout=seconds).close()
            return ""
        except ConnectionRefusedError:
            return ""
        except OSError as error:
            why = str(error)
    return why


def fetch(call: dict[str, Any]) -> dict[str, str]:
    """Why each URL gives no answer; empty where one comes, whatever it is."""
    found: dict[str, str] = {}

    def ask(url: str) -> None:
        try:
            urllib.request.urlopen(url, timeout=15).close()  # noqa: S310  # URLs of the settings
            found[url] = ""
        except urllib.error.HTTPError as error:
            found[url] = f"HTTP {error.code}" if error.code >= 500 else ""
        except Exception as error:
            found[url] = str(getattr(error, "reason", error))

    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in call["fetch"]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return {url: found.get(url, "no answer within 30 s") for url in call["fetch"]}


def _outside(folder: Path) -> dict[str, str]:
    """How the deployment's own steps reach what lies outside (components/host/files/egress.sh)."""
    try:
        lines = (folder / "egress.env").read_text().splitlines()
    except OSError:
        return {}
    pairs = (word.partition("=") for line in lines for word in shlex.split(line))
    return {name: value for name, _, value in pairs}


def listening(call: dict[str, Any]) -> dict[str, Any]:
    """`open`, ports where something listens, and whether by loopback alone; `taken`, a sentence about one of ours."""
    loopback: dict[int, bool] = {}
    for name in ("tcp", "tcp6"):
        for line in ports.read(f"net/{name}").splitlines()[1:]:
            words = line.split()
            if words[3] == ports.LISTENING:
                address, _, port = words[1].rpartition(":")
                own = address.endswith("7F") or address == "0" * 24 + "01000000"
                loopback[int(port, 16)] = loopback.get(int(port, 16), True) and own
    said = io.StringIO()
    before, sys.stdout = sys.stdout, said
    try:
        ports.main(call["stack"], call["ports"])
    finally:
        sys.stdout = before
    return {"open": {str(port): own for port, own in loopback.items()}, "taken": said.getvalue().strip()}


def firewall(call: dict[str, Any]) -> dict[str, Any]:
    """The table that firewall.sh made: there as ours, loaded at boot, confirmed."""
    if not call["firewall"]:
        return {}
    folder = Path(call["folder"]) / "firewall"
    table = (folder / "table").read_text().strip() if (folder / "table").exists() else ""
    text = run(["nft", "list", "table", "inet", table]).stdout if table else ""
    unit = run(["systemctl", "is-enabled", f"firewall-{call['stack']}.service"]).stdout.strip()
    return {
        "made": bool(table),
        "loaded": f'comment "Tandem {call["stack"]}"' in text,
        "unit": unit,
        "confirmed": (folder / "confirmed.nft").exists(),
    }


def containers(call: dict[str, Any]) -> list[dict[str, Any]]:
    """The stack's containers, or its processes where there are none, and what each rank's supervisor knows."""
    if call["native"]:
        return [_process(folder) for folder in sorted((Path(call["folder"]) / "processes").glob("*"))]
    if not shutil.which("docker"):
        return []  # it comes with `up`
    listed = run(["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", f"label=tandem.stack={call['stack']}"])
    if listed.returncode:
        raise OSError(listed.stderr.strip().splitlines()[-1] if listed.stderr.strip() else "docker gives no answer")
    if not listed.stdout.split():
        return []
    inspected = json.loads(run(["docker", "inspect", *listed.stdout.split()]).stdout)
    return [
        {
            "name": each["Name"].lstrip("/"),
            "id": each["Id"],
            "image": each["Image"],
            "status": each["State"]["Status"],
            "oom": each["State"]["OOMKilled"],
            "code": each["State"]["ExitCode"],
            "restarts": each["RestartCount"],
            "created": each["Created"],
            "started": each["State"]["StartedAt"],
            "group": _group(each["Id"]),
        }
        for each in inspected
    ]


def _process(folder: Path) -> dict[str, Any]:
    said = run([sys.executable, str(folder / "process_supervisor.py"), "status", str(folder)]).stdout.strip()
    state = next(iter(sorted(folder.glob("**/group.json"))), None)
    return {
        "name": folder.name,
        "id": said.partition(" ")[2],
        "image": "",
        "status": "running" if said.startswith("running") else "exited",
        "oom": False,
        "code": 0,
        "restarts": 0,
        "group": json.loads(state.read_text()) if state else None,
    }


def _group(container: str) -> Any:  # noqa: ANN401  # JSON
    """What a rank's supervisor knows (components/serving/files/rank_supervisor.py); None of another container."""
    done = subprocess.run(
        ["docker", "cp", f"{container}:{GROUP}", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=20,
        check=False,
    )
    if done.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        inside = packed.extractfile("group.json")
        return json.loads(inside.read()) if inside else None


def frozen(call: dict[str, Any]) -> list[str]:
    """Processes of the stack that a signal has stopped."""
    found, known = [], ports.containers()
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        state = ports.read(f"{entry.name}/stat").rpartition(")")[2].split()[:1]
        if state and state[0] in "Tt" and ports.ours(entry.name, call["stack"], known):
            found.append(ports.describe(entry.name, known))
    return found


def storage(call: dict[str, Any]) -> dict[str, Any]:
    """The folder that machines share: what is mounted there, its room, how its weights are, how fast they are read."""
    mounted = [line.split() for line in ports.read("mounts").splitlines()]
    source = next((words[0] for words in reversed(mounted) if words[1] == call["mount"]), "")
    found: dict[str, Any] = {"source": source, "there": os.path.isdir(call["mount"])}  # noqa: PTH112
    if found["there"]:
        filesystem = os.statvfs(call["mount"])
        found.update(bytes=filesystem.f_blocks * filesystem.f_frsize, free=filesystem.f_bavail * filesystem.f_frsize)
    found["weights"] = {folder: weights.look(folder) for folder in call["weights"]}
    found["read"] = weights.speed(call["weights"])
    return found


FACTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    fact.__name__: fact
    for fact in (
        machine,
        disks,
        interfaces,
        bus,
        nvidia,
        peers,
        fetch,
        listening,
        firewall,
        containers,
        frozen,
        storage,
    )
}
