"""Writes what this deployment knows of itself on a machine, as a file for node exporter's textfile collector.

    state.py CONFIG FOLDER    every 15 s, FOLDER/tandem.prom: whole or not at all

How the ranks on the machine are (rank_supervisor.py's group.json, out of their containers or processes), when the
machine is released, the gateway's certificate, how fast the storage answers, and the plan's figures. CONFIG is a file,
JSON: stack, docker (processes otherwise), storage (a mount point, or empty), api and gateway (ports, 0 for none),
release (RFC 3339, or empty), spot, accelerators, gpus (NVIDIA's among them), smi (they are asked by nvidia-smi),
figures (the plan's, by name).
Needs nothing but Python 3.8.
"""

from __future__ import annotations

import calendar
import contextlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = float(os.environ.get("TANDEM_STATE_SECONDS", "15"))
SELDOM = 20
"""Rounds between two looks at what seldom changes."""
METADATA = os.environ.get("TANDEM_METADATA", "http://100.100.100.200/latest")
"""Alibaba Cloud's own service for what runs on a machine (instance/spot/termination-time)."""
DOCKER = "/var/run/docker.sock"
SUPERVISOR = "/rank_supervisor.py"
STATES = ("starting", "serving", "running", "stalled", "down")
"""Of a rank. `serving` is the one that has the API, while it answers; the others of a whole group are `running`."""
REASON = 200
FAILED = re.compile(r"\bERROR\b|Error\b|\berror:")
MOST = 1 << 20
"""Bytes of a group.json that are read."""
VALIDITY = re.compile(rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)")
"""The two times of a certificate as DER has them, UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5)."""
SMI = {
    "temperature.gpu": "DCGM_FI_DEV_GPU_TEMP",
    "power.draw": "DCGM_FI_DEV_POWER_USAGE",
    "utilization.gpu": "DCGM_FI_DEV_GPU_UTIL",
    "utilization.memory": "DCGM_FI_DEV_MEM_COPY_UTIL",
    "memory.used": "DCGM_FI_DEV_FB_USED",
    "memory.free": "DCGM_FI_DEV_FB_FREE",
    "clocks.sm": "DCGM_FI_DEV_SM_CLOCK",
    "ecc.errors.uncorrected.volatile.total": "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
    "clocks_event_reasons.active": "DCGM_FI_DEV_CLOCKS_EVENT_REASONS",
}
"""nvidia-smi's fields, to the names that the DCGM exporter has for them: the same rules and panels."""


class Sample(NamedTuple):
    """One value of a metric."""

    name: str
    labels: dict[str, str]
    value: float


class Rank(NamedTuple):
    """A supervised engine: whether it runs, its words, and what its supervisor has written (rank_supervisor.State)."""

    running: bool
    words: list[str]
    known: dict[str, Any] | None


class Docker(http.client.HTTPConnection):
    """Docker's API on its socket."""

    def __init__(self) -> None:
        super().__init__("localhost", timeout=10)

    def connect(self) -> None:
        """To the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(DOCKER)

    def get(self, path: str) -> bytes:
        """An answer's body; raises OSError for any but 200."""
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"Docker answers {answer.status}")
        return body


def written(docker: Docker, container: str, pid: int) -> bytes:
    """A container's group.json. By its first process, where it runs: Docker's way costs its daemon 0.1 s each time."""
    if pid and (found := read_inside(Path(f"/proc/{pid}/root"), "tandem", "group.json")):
        return found
    archive = docker.get(f"/containers/{container}/archive?path=/tandem/group.json")
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        member = opened.extractfile("group.json")
        return member.read() if member else b""


def read_inside(root: Path, *names: str) -> bytes:
    """A small file of a container; nothing if it isn't there, or if a link or a pipe would lead elsewhere or hang."""
    opened: list[int] = []
    try:
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        for name in names:
            opened.append(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        return os.read(opened[-1], MOST) if stat.S_ISREG(os.fstat(opened[-1]).st_mode) else b""
    except OSError:
        return b""
    finally:
        for each in opened:
            os.close(each)


def containers(stack: str) -> list[Rank]:
    """The ranks on the machine, out of their containers."""
    docker, found = Docker(), []
    filters = urllib.parse.quote(json.dumps({"label": [f"tandem.stack={stack}"]}))
    for entry in json.loads(docker.get(f"/containers/json?all=1&filters={filters}")):
        if SUPERVISOR not in entry["Command"]:
            continue
        whole = json.loads(docker.get(f"/containers/{entry['Id']}/json"))
        known = None
        with contextlib.suppress(OSError, ValueError, KeyError, tarfile.TarError):
            known = json.loads(written(docker, entry["Id"], int(whole["State"]["Pid"])))
        words = [str(word) for word in whole["Args"]]
        found.append(Rank(bool(whole["State"]["Running"]), words, known))
    docker.close()
    return found


def processes(folder: Path) -> list[Rank]:
    """The same of processes without containers, which lie side by side with this one."""
    found = []
    for spec in sorted(folder.glob("*/spec.json")):
        words = [str(word) for word in json.loads(spec.read_text())["argv"]]
        if not any(word.endswith(SUPERVISOR) for word in words):
            continue
        home, known = spec.parent, None
        with contextlib.suppress(OSError, ValueError):
            known = json.loads((home / "files" / "group.json").read_text())
        status = subprocess.run(
            [sys.executable, str(home / "process_supervisor.py"), "status", str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        ).stdout
        found.append(Rank(status.startswith(b"running"), words, known))
    return found


def answers(port: int) -> bool:
    """Whether the engine's API does."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/v1/models", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def engine_figures(port: int) -> list[Sample]:
    """What vLLM tells in labels and in its list of models: its KV cache, and how many whole requests that is."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        metrics = opener.open(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode(errors="replace")
        models = json.load(opener.open(f"http://127.0.0.1:{port}/v1/models", timeout=5))["data"]
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return []
    tokens = 0.0
    for labels in re.findall(r"^vllm:cache_config_info\{(.*)\} ", metrics, re.M):
        known = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        with contextlib.suppress(KeyError, ValueError):
            tokens += float(int(known["num_gpu_blocks"]) * int(known["block_size"]))
    longest = max((int(model.get("max_model_len") or 0) for model in models), default=0)
    found = [Sample("tandem_measured_kv_cache_tokens", {}, tokens)] if tokens else []
    return [*found, *([Sample("tandem_measured_concurrency", {}, tokens / longest)] if tokens and longest else [])]


def rank_samples(found: list[Rank], api: int) -> list[Sample]:
    """Samples of the ranks on this machine."""
    samples: list[Sample] = []
    for running, words, written in found:
        rank = next((word.split("=", 1)[1] for word in words if word.startswith("--rank=")), "0")
        known = written or {"attempt": 0, "exits": 0, "error": "", "exit": None, "stalled": {}, "stalls": []}
        labels, stalls = {"rank": rank}, known.get("stalls") or []
        ended = [known["ended"]] if known.get("ended") else []
        stall: dict[str, Any] = max([*stalls, *ended], key=_time, default={})
        stalled = _stalled(known, rank)
        if not running or known.get("error"):
            state = "down"
        elif stalled:
            state = "stalled"
        elif api and rank == "0":
            state = "serving" if answers(api) else "starting"
        else:
            state = "running" if known.get("attempt") else "starting"
        samples += [Sample("tandem_rank_state", {**labels, "state": each}, float(each == state)) for each in STATES]
        samples.append(Sample("tandem_rank_restarts_total", labels, float(known.get("exits", 0) + len(stalls))))
        if stall:
            # Whom the others waited for may be on another machine than the first rank, which has found it.
            named = {"of_rank": str(stall.get("rank", rank)), "of_machine": str(stall.get("machine", ""))}
            where = str(stall.get("where") or stall["why"])[:REASON]
            samples.append(
                Sample("tandem_rank_last_stall_timestamp_seconds", {**labels, **named, "reason": where}, _time(stall))
            )
        last = known.get("exit") or {}
        if "time" in last:
            named = {"of_rank": str(last["rank"]), "of_machine": str(last["machine"]), "reason": _exit(last)[:REASON]}
            samples.append(Sample("tandem_rank_last_exit_timestamp_seconds", {**labels, **named}, _time(last)))
        newest = stall["why"] if stall and _time(stall) >= _time(last) else _exit(last)
        reason = known.get("error") or stalled or newest
        if reason:
            samples.append(Sample("tandem_rank_last_reason_info", {**labels, "reason": str(reason)[:REASON]}, 1.0))
    return samples


def _time(seen: dict[str, Any]) -> float:
    return float(seen.get("time", 0))


def _exit(last: dict[str, Any]) -> str:
    """How an engine ended by itself; empty where none has. Its first error tells more than what it says as it ends."""
    said = [word for word in last.get("words", []) if word.strip()]
    word = next((word for word in said if FAILED.search(word)), said[-1] if said else "")
    if "rank" not in last:
        return word
    return f"rank {last['rank']} on {last['machine']} ended with code {last['code']}" + (f": {word}" if word else "")


def _stalled(known: dict[str, Any], rank: str) -> str:
    """Where a rank stands; empty for one that gives signs. Its data parallel ranks are keys of their own: 0.1."""
    found = [one for name, one in (known.get("stalled") or {}).items() if name.partition(".")[0] == rank]
    return next((str(one["where"]) for one in found if one.get("kind") != "computes"), "")


class Storage:
    """How long a mounted folder takes to answer; asked in a thread of its own, since a hanging share never does."""

    def __init__(self, path: str) -> None:
        self.path, self.latency = path, 0.0
        self.answered = time.monotonic()
        self.good = True
        self.thread: threading.Thread | None = None

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            os.statvfs(self.path)  # NFS asks its server each time (FSSTAT); nothing of it is cached
        except OSError:  # a stale handle, a folder that is gone
            self.good = False
            return
        self.answered, self.good = time.monotonic(), True
        self.latency = self.answered - began

    def samples(self) -> list[Sample]:
        """Asks once more, unless the last question still waits."""
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._ask, daemon=True)
            self.thread.start()
            self.thread.join(2)
        waits = self.thread.is_alive() or not self.good
        waiting = time.monotonic() - self.answered if waits else 0.0
        # After a reboot this program may be there before the mount.
        labels = {"mount": self.path, "source": source_of(self.path, Path("/proc/mounts").read_text())}
        return [
            Sample("tandem_storage_latency_seconds", labels, self.latency),
            Sample("tandem_storage_waiting_seconds", labels, waiting),
        ]


def source_of(path: str, mounts: str) -> str:
    """What is mounted there, such as nas:/share, by the kernel's list: asking the mount itself could hang."""
    found = [line.split()[0] for line in mounts.splitlines() if line.split()[1:2] == [path]]
    return found[-1] if found else ""


def moment(text: str) -> float:
    """Seconds since 1970 of YYYYMMDDHHMMSS, with two digits of the year in UTCTime."""
    whole = text if len(text) == 14 else ("20" if int(text[:2]) < 50 else "19") + text
    return float(calendar.timegm(time.strptime(whole, "%Y%m%d%H%M%S")))


def certificate(port: int) -> list[Sample]:
    """When the certificate that is shown there ends, and how long it is for in all."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # an expired one is to be seen as well
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as raw, context.wrap_socket(raw) as shown:
            found = VALIDITY.search(shown.getpeercert(binary_form=True) or b"")
    except OSError:
        return []
    if not found:
        return []
    begin, end = (moment((found[n] or found[n + 1]).decode()) for n in (1, 3))
    return [
        Sample("tandem_certificate_expiry_timestamp_seconds", {}, end),
        Sample("tandem_certificate_lifetime_seconds", {}, end - begin),
    ]


def release(text: str, spot: bool) -> list[Sample]:
    """When the cloud takes the machine away: as it was rented, or since it wants a spot machine back."""
    found = []
    if text:
        end = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
        found.append(Sample("tandem_machine_release_timestamp_seconds", {"kind": "auto"}, float(end)))
    if spot:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(OSError, ValueError):  # 404 until the cloud wants it
            ttl = {"X-aliyun-ecs-metadata-token-ttl-seconds": "60"}
            asked = urllib.request.Request(f"{METADATA}/api/token", headers=ttl, method="PUT")  # noqa: S310  # http
            token = opener.open(asked, timeout=2).read().decode()
            path = f"{METADATA}/meta-data/instance/spot/termination-time"
            seen = urllib.request.Request(path, headers={"X-aliyun-ecs-metadata-token": token})  # noqa: S310
            said = opener.open(seen, timeout=2).read().decode().strip()
            end = calendar.timegm(time.strptime(said, "%Y-%m-%dT%H:%M:%SZ"))
            found.append(Sample("tandem_machine_release_timestamp_seconds", {"kind": "spot"}, float(end)))
    return found


def gpus() -> list[Sample]:
    """What nvidia-smi says; older drivers don't know the last field. No Xid, which only the kernel's log has."""
    if not shutil.which("nvidia-smi"):
        return []
    for fields in (list(SMI), list(SMI)[:-1]):
        words = ["nvidia-smi", f"--query-gpu=index,uuid,{','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return []
        if done.returncode == 0:
            return gpu_samples(fields, done.stdout.decode(errors="replace"))
    return []


def gpu_samples(fields: list[str], said: str) -> list[Sample]:
    """One line of `said` a GPU: index, UUID and the fields; `[N/A]` is left out."""
    samples: list[Sample] = []
    for line in said.splitlines():
        index, uuid, *values = [word.strip() for word in line.split(",")]
        for number, value in enumerate(values):
            with contextlib.suppress(ValueError):
                amount = float(int(value, 16)) if value.startswith("0x") else float(value)
                samples.append(Sample(SMI[fields[number]], {"gpu": index, "UUID": uuid}, amount))
    return samples


def render(samples: list[Sample]) -> str:
    """Prometheus' text format, 0.0.4."""
    lines: list[str] = []
    for name in dict.fromkeys(sample[0] for sample in samples):
        lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
        for other, labels, value in samples:
            if other == name:
                text = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
                lines.append(f"{name}{{{text}}} {value:.15g}" if text else f"{name} {value:.15g}")
    return "\n".join(lines) + "\n"


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace('"', r"\"").replace("\n", " ")


def write(file: Path, text: str) -> None:
    """Whole or not at all; read by the exporter, which is another user."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(file)


def main() -> None:
    """Forever."""
    config, folder = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    storage = Storage(config["storage"]) if config["storage"] else None
    figures = [Sample(f"tandem_{name}", {}, float(value)) for name, value in config["figures"].items()]
    shown: list[Sample] = []
    number = 0
    while True:
        began = time.monotonic()
        if number % SELDOM == 0:
            shown = certificate(config["gateway"]) if config["gateway"] else []
            shown += engine_figures(config["api"]) if config["api"] else []
        samples: list[Sample] = [*figures, Sample("tandem_accelerators", {}, float(config["accelerators"])), *shown]
        samples.append(Sample("tandem_gpus", {}, float(config["gpus"])))
        try:
            here = Path(__file__).resolve().parents[2]
            samples += rank_samples(containers(config["stack"]) if config["docker"] else processes(here), config["api"])
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            print(f"the ranks' state can't be read: {error}", file=sys.stderr, flush=True)
        samples += storage.samples() if storage else []
        samples += release(config["release"], config["spot"])
        samples += gpus() if config["smi"] else []
        write(folder / "tandem.prom", render(samples))
        number += 1
        time.sleep(max(1.0, SECONDS - (time.monotonic() - began)))


if __name__ == "__main__":
    main()
