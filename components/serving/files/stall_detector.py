"""Notices an engine that stands still while it starts, and says where: no line, no bytes, no memory, nothing computed.

Needs nothing but Python 3.8. py-spy gives a Python program's stack where it is there; the kernel's own words otherwise.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

LIMIT = float(os.environ.get("TANDEM_STALL_SECONDS", "90"))
"""Seconds without any sign after which an engine stands still."""
SAMPLE = min(5.0, LIMIT / 3)
READ, GREW, COMPUTED = 1 << 20, 16 << 20, 0.1
"""What counts as a sign between two samples: bytes read, bytes of memory, and the share of one processor.

Waiting ranks spin, so on GPUs and NPUs a busy processor is no sign.
"""
HELD = min(10.0, LIMIT / 3)
"""Seconds after which an engine of which the kernel holds a process (SIGSTOP, a debugger) stands still."""
MOST = 8
"""Processes whose stack is shown: a rank an accelerator."""
KERNEL = {
    "T": "it was stopped by a signal (SIGSTOP)",
    "t": "a debugger holds it",
    "D": "it waits for a disk or the share",
}
SHARE = re.compile(r"rpc_wait|nfs|request_wait_answer|fuse_")
HOLDS = ("T", "t")
"""Of these the ones that nothing but another signal ends."""
DATA = re.compile(r"_DP(\d+)")
"""How vLLM's processes name their data parallel rank (EngineCore_DP1, Worker_DP1_TP0)."""
SERVICES = re.compile(r"(raylet|gcs_server)( |$)")
WORKERS = re.compile(r"worker|ray::|scheduler|rpc-server|llama-server", re.I)


def tree(roots: list[int]) -> list[int]:
    """The processes and all below them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = list(roots)
    for pid in found:
        found += children.get(pid, [])
    return found


def of_ray() -> list[int]:
    """Ray's workers on this machine: they aren't below the engine, which is only their driver."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"ray::"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def services() -> list[int]:
    """Ray's own processes on this machine, without which its workers wait."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if SERVICES.match(name(pid))]


def data_ranks(pids: list[int]) -> dict[int, list[int]]:
    """The processes of each data parallel rank; all of them as rank -1 where there are none."""
    found: dict[int, list[int]] = {}
    for pid in pids:
        named = DATA.search(name(pid))
        if named:
            own = found.setdefault(int(named[1]), [])
            own += [each for each in tree([pid]) if each not in own]
    return dict(sorted(found.items())) or {-1: pids}


def counters(pids: list[int]) -> dict[str, float]:
    """Bytes read, bytes of memory and seconds computed of all of them together."""
    total = {"read": 0.0, "memory": 0.0, "seconds": 0.0}
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for pid in pids:
        try:
            words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total["seconds"] += (int(words[11]) + int(words[12])) / tick
            total["memory"] += int(words[21]) * page
            total["read"] += sum(
                map(int, re.findall(r"^(?:rchar|read_bytes): (\d+)", Path(f"/proc/{pid}/io").read_text(), re.M))
            )
        except (OSError, IndexError, ValueError):
            continue
    return total


def busy(kind: str, part: tuple[int, int] = (0, 1)) -> bool | None:
    """Whether an accelerator moves data; None where nothing tells. NCCL's waiting kernels count as 100 % of the GPU,
    and move none: so the memory's utilization is what is asked for.

    Args:
        kind: of accelerator.
        part: which part of the machine's accelerators, and how many equal ones there are.
    """
    asked = {
        "nvidia": ["nvidia-smi", "--query-gpu=utilization.memory", "--format=csv,noheader,nounits"],
        "ascend": ["npu-smi", "info"],
    }.get(kind)
    if asked is None or shutil.which(asked[0]) is None:
        return None
    try:
        said = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = said.decode(errors="replace")
    if kind == "ascend":  # | chip | bus | AICore(%) memory ... |
        shares = re.findall(r"^\| *\d+ +\d* *\| [0-9A-F:.]+ +\| (\d+) ", text, re.M)
    else:
        shares = [word for word in text.split() if word.isdigit()]
    each = max(1, len(shares) // part[1])
    return any(int(one) > 0 for one in shares[part[0] * each : (part[0] + 1) * each])


class StallDetector:
    """Since when an engine has given no sign.

    Attributes:
        limit: seconds without one after which it stands still.
        moved: when the last sign was seen.
        worked: and the last one beside computing, which a rank that loops does as well.
        held: since when the kernel holds one of its processes; 0 while it holds none.
    """

    def __init__(self, kind: str, limit: float = LIMIT) -> None:
        self.kind, self.limit = kind, limit
        self.moved = self.worked = self.sampled = time.monotonic()
        self.held = 0.0
        self.before: dict[str, float] = {}
        self.known: set[int] = set()
        self.sentence = ""
        self.sentence_at = 0.0

    def look(self, pids: list[int], said: int, part: tuple[int, int] = (0, 1)) -> None:
        """Looks once in a while.

        Args:
            pids: the engine's processes.
            said: bytes it has said in all.
            part: its part of the accelerators, as `busy` has it.
        """
        now = time.monotonic()
        if self.before and now - self.sampled < SAMPLE:
            return
        found = {**counters(pids), "said": float(said)}
        self.record(found, pids, any(state(pid) in HOLDS for pid in pids), lambda: busy(self.kind, part))

    def record(self, found: dict[str, float], pids: list[int], held: bool, works: Callable[[], bool | None]) -> None:
        """What was seen of it, here or on another machine.

        Args:
            found: as `counters` has it, and `said`.
            pids: of these processes.
            held: the kernel holds one of them.
            works: whether its accelerators move data.
        """
        now = time.monotonic()
        grown = {name: value - self.before.get(name, 0.0) for name, value in found.items()}
        signs = (
            not self.before,
            grown["said"] > 0,
            grown["read"] > READ,
            abs(grown["memory"]) > GREW,
            bool(set(pids) - self.known),
        )
        computes = self.kind == "cpu" and grown["seconds"] > COMPUTED * (now - self.sampled)
        if any(signs):
            self.worked = now
        if any(signs) or computes or (now - self.moved > self.limit / 2 and works()):
            self.moved = now
        before = bool(self.held)
        self.held = (self.held or now) if held else 0.0
        self.before, self.known, self.sampled = found, set(pids), now
        if bool(self.held) != before or not (self.stalled_seconds() or self.computing_seconds()):
            self.sentence = ""

    def stalled_seconds(self) -> float:
        """Seconds that it has stood still; 0 for one that doesn't."""
        now = time.monotonic()
        silence = now - self.moved
        held = now - self.held if self.held else 0.0
        return max(silence if silence > self.limit else 0.0, held if held > HELD else 0.0)

    def computing_seconds(self) -> float:
        """Seconds that it has given no sign but that it computes; 0 for one that gives another, or none."""
        seconds = time.monotonic() - self.worked
        return 0.0 if self.stalled_seconds() or seconds < self.limit else seconds

    def where(self, pids: list[int]) -> str:
        """Where the processes stand, asked anew once a minute at most."""
        if not self.sentence or time.monotonic() - self.sentence_at > 60:
            self.sentence, self.sentence_at = where(pids), time.monotonic()
        return self.sentence


def where(pids: list[int]) -> str:
    """Where processes stand, those first that the kernel holds: readers may cut it, and others wait for that one."""
    ranked = sorted(
        pids, key=lambda pid: (state(pid) not in KERNEL and not share(pid), WORKERS.search(name(pid)) is None, pid)
    )
    stacks = [f"{name(pid)} (process {pid}) {position(pid)}" for pid in ranked[:MOST] if name(pid)]
    return "; ".join(stacks) or "no process of it is left"


def name(pid: int) -> str:
    """What a process calls itself."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    except OSError:
        return ""
    return " ".join(os.path.basename(word) for word in words[:2])[:40]  # noqa: PTH119  # words, not paths


def state(pid: int) -> str:
    """The kernel's letter of what it does with a process; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return ""


def share(pid: int) -> str:
    """The kernel's function in which a process waits for a share's server, NFS or FUSE; empty for one that doesn't."""
    try:
        where = Path(f"/proc/{pid}/wchan").read_text().strip()
    except OSError:
        return ""
    return where if SHARE.search(where) else ""


def position(pid: int) -> str:
    """Where one process stands: its Python stack, innermost first, or what the kernel says of its threads."""
    letter = state(pid)
    if not letter:
        return "is gone"
    if letter in KERNEL:
        return f"stands: {KERNEL[letter]}"
    if share(pid):
        return f"stands: it waits for the share ({share(pid)})"
    spy = shutil.which("py-spy")
    if spy:
        try:
            done = subprocess.run(
                [spy, "dump", "--nonblocking", "--pid", str(pid)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=20,
                check=False,
            )
            frames = _frames(done.stdout.decode(errors="replace"))
            if frames:
                return "stands in " + " < ".join(frames[:6])
        except (OSError, subprocess.TimeoutExpired):
            pass
    waits = set()
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            waits.add(f"{(task / 'comm').read_text().strip()} in {(task / 'wchan').read_text().strip() or '?'}")
        except OSError:
            continue
    return "waits in the kernel: " + ", ".join(sorted(waits)[:6]) if waits else "can't be looked into"


def _frames(dump: str) -> list[str]:
    """The main thread's frames of a dump by py-spy, as `function (file:line)`."""
    threads = re.split(r"^Thread ", dump, flags=re.M)[1:]
    main = next((one for one in threads if '"MainThread"' in one.splitlines()[0]), threads[0] if threads else "")
    return [line.strip() for line in main.splitlines()[1:] if re.match(r"\s+\S.* \(.*:\d+\)$", line)]
