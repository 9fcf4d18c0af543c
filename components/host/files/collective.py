"""A collective over every accelerator of every machine, inside the engine's image, before weights are loaded.

Runs where torch is. One call a machine; it starts a process an accelerator:
collective.py --nodes N --node-rank R --local L --address HEAD --port P [--backend NAME] [--mib M] --result FILE

FILE gets one JSON object: what was measured, or `error`, one sentence. Everything else, NCCL's own log above all, goes
to standard error, for people. Without FILE the object is all that is printed.

Proven: every rank was there, sums were right on every rank, and what carried them. All succeed or none does.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = 10
TRANSPORTS = (  # what NCCL_DEBUG=INFO says of each channel, best first
    ("NET/IB/GDRDMA", r"via NET/IB/\d+(?:\(\d+\))?/GDRDMA"),
    ("NET/IB", r"via NET/IB|Using network IB"),
    ("NET/Socket", r"via NET/Socket|Using network Socket"),
    ("NVLS", r"NVLS multicast support is available|NVLS comm"),
    ("P2P", r"via P2P"),
    ("SHM", r"via SHM"),
)


def transports_of(log: str) -> list[str]:
    """What carried the bytes, from NCCL's own log; empty when it says nothing (gloo, hccl)."""
    return [name for name, pattern in TRANSPORTS if re.search(pattern, log)]


def main() -> int:
    """Starts the machine's ranks and waits for all of them; 1 with one sentence when one fails."""
    arguments = _arguments()
    if arguments.rank is not None:
        _rank(arguments)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        ranks = [_start(arguments, local, Path(folder)) for local in range(arguments.local)]
        codes = _wait(ranks, arguments.seconds)
        logs = [(Path(folder) / f"{local}.log").read_text(errors="replace") for local in range(arguments.local)]
        measured = Path(folder) / "0.json"
        answer = json.loads(measured.read_text()) if measured.exists() else {}
    failed = [local for local, code in enumerate(codes) if code != 0]
    if failed:
        first = next((local for local in failed if codes[local] is not None), failed[0])
        said = [line for line in logs[first].splitlines() if line.strip()]
        print("\n".join(said[-20:]), file=sys.stderr)
        answer = {"error": sentence(arguments, failed, logs[first], codes[first])}
    elif not answer:
        answer = {
            "error": "every rank ended well and none measured anything: the first one's folder for results is gone"
        }
    else:
        answer["transports"] = transports_of("\n".join(logs))
    if arguments.result:
        arguments.result.write_text(json.dumps(answer))
    else:
        print(answer.get("error") or json.dumps(answer), file=sys.stderr if "error" in answer else sys.stdout)
    return 1 if "error" in answer else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--node-rank", type=int, default=0)
    parser.add_argument("--local", type=int, required=True, help="accelerators of this machine")
    parser.add_argument("--address", default="127.0.0.1", help="the first machine")
    parser.add_argument("--port", type=int, default=29417)
    parser.add_argument("--backend", choices=("nccl", "hccl", "gloo"), default="nccl")
    parser.add_argument("--mib", type=int, default=256, help="bytes of each all-reduce, MiB")
    parser.add_argument("--seconds", type=int, default=240, help="for everything, meeting the other machines included")
    parser.add_argument("--result", type=Path, help="file for what was measured")
    parser.add_argument("--measured", type=Path, help="the same of one rank: used by the program itself")
    parser.add_argument("--rank", type=int, help="a rank of this machine: used by the program itself")
    arguments = parser.parse_args()
    if arguments.local < 1:
        parser.error("this machine has no accelerator: --local must be 1 or more")
    return arguments


def _start(arguments: argparse.Namespace, local: int, folder: Path) -> subprocess.Popen[bytes]:
    log = (folder / f"{local}.log").open("wb")
    environment = {"NCCL_DEBUG": "INFO", "NCCL_DEBUG_SUBSYS": "INIT,NET,GRAPH,P2P", **os.environ}
    return subprocess.Popen(
        [sys.executable, __file__, *sys.argv[1:], "--rank", str(local), "--measured", str(folder / f"{local}.json")],
        stdout=log,
        stderr=log,
        env=environment,
    )


def _wait(ranks: list[subprocess.Popen[bytes]], seconds: int) -> list[int | None]:
    """Exit codes once all have ended; None for one that had to be ended, since another failed or time was up."""
    deadline = time.monotonic() + seconds
    while any(rank.poll() is None for rank in ranks) and time.monotonic() < deadline:
        if any(rank.poll() for rank in ranks):
            deadline = min(deadline, time.monotonic() + 5)  # its peers say why within moments, or hang
        time.sleep(0.1)
    codes = [rank.poll() for rank in ranks]
    for rank in ranks:
        if rank.poll() is None:
            rank.kill()
            rank.wait()
    return codes


WORDS = (
    (
        r"ModuleNotFoundError: No module named '(\S+)'|ImportError: (.{1,200})",
        "torch can't be used here ({0}): the engine's image, or native.python's environment, needs the torch that its "
        "engine runs on; set serving.collective: false to go on without this proof",
    ),
    (
        r"error 802|system not yet initialized",
        "CUDA error 802, the NVSwitch fabric is not up; restart nvidia-fabricmanager",
    ),
    (
        r"ibv_poll_cq|status=12|IBV_WC_RETRY_EXC_ERR|[Gg]ot completion from peer.{0,120}(?:error|status=)12",
        "RDMA packets go out and nothing comes back (error 12): the machines' RDMA ports don't reach each other, or "
        "disagree on RoCE's GID or on lossless queues; name the right ones by accelerator.hcas, or in "
        "serving.environment set NCCL_IB_GID_INDEX, or NCCL_IB_DISABLE: 1 for TCP",
    ),
    (
        r"driver version is insufficient|CUDA driver version",
        "the driver is too old for the CUDA of the engine's image; install a newer one, or use an older image",
    ),
    (r"Duplicate GPU", "NCCL was given one GPU twice; see that each rank has its own"),
    (
        r"No space left on device.{0,80}shm|shared memory segment",
        "the shared memory folder of the machine is full or too small; give it more (mount -o remount,size=16G)",
    ),
)
"""What the logs of NCCL, HCCL and torch say of a cause, and its sentence; the first that fits."""
LATE = re.compile(
    r"Connect call failed|timed out|TIMEOUT|[Tt]imeout at|Watchdog caught|DistStoreError|connection refused", re.I
)


def sentence(arguments: argparse.Namespace, failed: list[int], log: str, code: int | None) -> str:
    """Why ranks failed, by the log of one.

    Args:
        arguments: what was asked for.
        failed: ranks of this machine.
        log: of the first of them.
        code: its exit code; None for one that had to be ended.
    """
    what = f"ranks {failed} of this machine failed in a collective over {arguments.nodes} x {arguments.local}"
    for pattern, why in WORDS:
        if found := re.search(pattern, log):
            return f"{what}: {why.format(next((group for group in found.groups() if group), ''))}"
    met = re.search(r"Watchdog caught collective|collective operation timeout|Connected all (?:rings|trees)", log)
    if met and (code is None or LATE.search(log)):
        return (
            f"{what}: the ranks met and then an all-reduce did not end in {arguments.seconds} s; a path between the "
            "machines drops what NCCL sends: look at MTU and firewalls of the interface in NCCL_SOCKET_IFNAME, and try "
            "NCCL_IB_DISABLE=1 or NCCL_P2P_DISABLE=1 in serving.environment"
        )
    if LATE.search(log) or not log.strip():
        return (
            f"{what}: not all ranks met at {arguments.address}:{arguments.port} in {arguments.seconds} s; see that "
            "every machine runs its step and that the machines reach each other on all ports"
        )
    lines = [line for line in log.splitlines() if re.search(r"Error|error|WARN", line)]
    ended = f"it was ended by signal {-code}" if code and code < 0 else "no reason given"
    return f"{what}: {lines[-1].strip()[:300] if lines else ended}"


def _rank(arguments: argparse.Namespace) -> None:
    """One process, one accelerator."""
    import torch  # type: ignore[import-not-found,unused-ignore]  # the engine's image has it
    from torch import distributed  # type: ignore[import-not-found,unused-ignore]

    if arguments.backend == "hccl":
        __import__("torch_npu")  # makes torch know npu and hccl
    kind = {"nccl": "cuda", "hccl": "npu", "gloo": "cpu"}[arguments.backend]
    if kind != "cpu":
        accelerator: Any = getattr(torch, kind)
        if accelerator.device_count() != arguments.local:
            raise SystemExit(
                f"Error: the container sees {accelerator.device_count()} accelerators, not {arguments.local}"
            )
        accelerator.set_device(arguments.rank)
    device = torch.device("cpu") if kind == "cpu" else torch.device(kind, arguments.rank)
    world, rank = arguments.nodes * arguments.local, arguments.node_rank * arguments.local + arguments.rank
    distributed.init_process_group(
        arguments.backend,
        init_method=f"tcp://{arguments.address}:{arguments.port}",
        world_size=world,
        rank=rank,
        timeout=datetime.timedelta(seconds=arguments.seconds - 10),
    )

    def wait() -> None:
        if kind != "cpu":
            accelerator.synchronize()

    values = torch.full((arguments.mib << 18,), float(rank + 1), dtype=torch.float32, device=device)
    distributed.all_reduce(values)  # the first one connects all pairs: not timed
    wait()
    if not bool((values == world * (world + 1) / 2).all()):
        raise SystemExit(f"Error: rank {rank} got a wrong sum: memory or the path between the machines is faulty")
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        distributed.all_reduce(values)
    wait()
    seconds = (time.perf_counter() - begin) / ROUNDS
    size = values.numel() * values.element_size()
    distributed.barrier()  # nobody leaves with success before everybody has arrived
    # Bus bandwidth as nccl-tests define it: what the slowest link must have carried, 2 (n-1) / n of the bytes.
    answer = {
        "ranks": world,
        "bytes": size,
        "seconds": round(seconds, 6),
        "bus_gb_per_s": round(2 * (world - 1) / world * size / seconds / 1e9, 2),
        "backend": arguments.backend,
    }
    arguments.measured.write_text(json.dumps(answer))
    distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
