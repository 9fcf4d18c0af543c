"""The weights' rate against a plain copy of the same bytes, and what is written against what the model has.

Both come from the same hub on loopback, unthrottled, and go to the same file system; both end when the bytes are on the
disk (`sync`). Copy and fetch take turns, and medians are compared, for other work on the machine touches both.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import struct
import subprocess
import time
from pathlib import Path

import pytest

from localcloud.depot.repository import Repository
from tests.scripts.hub import MODEL, Hub, ended, hub_of

SIZE = int(os.environ.get("WEIGHTS_BENCH_GIB", "2")) << 30
ROUNDS = 5
RATE, WRITES = 0.95, 1.02
"""At least this share of the copy's rate; at most so many bytes written for one of the model."""


@pytest.fixture
def hub(tmp_path):
    (model := tmp_path / "model").mkdir()
    (model / "config.json").write_text("{}")
    header = json.dumps({"w": {"dtype": "U8", "shape": [SIZE], "data_offsets": [0, SIZE]}}).encode()
    with (model / "model.safetensors").open("wb") as stream, Path("/dev/urandom").open("rb") as chance:
        stream.write(struct.pack("<Q", len(header)) + header)
        for _ in range(SIZE >> 24):
            stream.write(chance.read(1 << 24))
    with hub_of(tmp_path, [Repository(MODEL, model)]) as running:
        yield running
    shutil.rmtree(tmp_path)


def copied(hub: Hub) -> float:
    """Seconds of curl to the same file system."""
    target = hub.storage / "copy"
    subprocess.run(["sync"], check=True)
    began = time.monotonic()
    url = f"{hub.base}/hf/{MODEL}/resolve/main/model.safetensors"
    subprocess.run(["curl", "--silent", "--fail", "--noproxy", "*", "--output", target, url], check=True)
    subprocess.run(["sync", target], check=True)
    took = time.monotonic() - began
    target.unlink()
    return took


def fetched(hub: Hub) -> tuple[float, dict[str, int]]:
    """Seconds of the fetch script, and its account of reading and writing (proc(5), /proc/PID/io)."""
    subprocess.run(["sync"], check=True)
    began = time.monotonic()
    process, folder = hub.start(stall_seconds=60)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # what it did is known until it is waited for
    took = time.monotonic() - began
    account = dict(line.split(": ") for line in Path(f"/proc/{process.pid}/io").read_text().splitlines())
    done = ended(process, folder)
    assert done.code == 0, done.log
    shutil.rmtree(hub.folder())
    return took, {name: int(value) for name, value in account.items()}


def test_the_rate_of_a_plain_copy_and_one_write(hub: Hub) -> None:
    fetched(hub)  # the hub sums its files once
    copies, fetches, accounts = [], [], []
    for _ in range(ROUNDS):
        copies.append(copied(hub))
        took, account = fetched(hub)
        fetches.append(took)
        accounts.append(account)
    copy, fetch = statistics.median(copies), statistics.median(fetches)
    written = max(account["write_bytes"] for account in accounts) / SIZE
    read = max(account["rchar"] for account in accounts) / SIZE
    print(f"\ncopy {SIZE / copy / 1e6:.0f} MB/s {[round(seconds, 2) for seconds in copies]} s")
    print(f"fetch, checksum included, {SIZE / fetch / 1e6:.0f} MB/s {[round(seconds, 2) for seconds in fetches]} s")
    print(f"rate {copy / fetch:.2f} of the copy's; written {written:.4f}, read again {read:.4f} of the model's bytes")
    assert written <= WRITES
    assert read < 0.01
    assert copy / fetch >= RATE
