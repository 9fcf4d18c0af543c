"""fetch.py against a hub on loopback: every source, every cut, and the one sentence of every failure."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from components.machine.payload import FILES as REMOTE
from components.machine.payload import render_environment
from components.weights.weights import environment, travelling
from localcloud.depot.faults import Fault
from localcloud.depot.repository import Repository
from tests.scripts.hub import FILES, GATED, MODEL, TOKEN, Hub, differing, ended, hub_of
from tests.support.waiting import until

SOURCES = ["huggingface", "modelscope", "openmind", "git-lfs"]
SMALL = {"DOWNLOAD_PIECE": str(64 << 10)}
"""Pieces so small that a file has several."""
WHERE = {
    "huggingface": "*/resolve/*{}",
    "modelscope": "*FilePath={}*",
    "openmind": "/git/*.git/lfs/*",
    "git-lfs": "/git/*.git/lfs/*",
}
LISTING = {
    "huggingface": "/hf/api/models/*",
    "modelscope": "/modelscope/*/repo/files*",
    "openmind": "/git/*/info/*",
    "git-lfs": "/git/*/git-upload-pack",
}
SHARD, TAIL, SIZE = "model.safetensors", "sub/more.safetensors", 300_000


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    chance = random.Random(7)  # noqa: S311  # the same bytes each time
    (folder / "sub").mkdir()
    (folder / "config.json").write_text('{"model_type": "some"}')
    (folder / "empty.txt").touch()
    (folder / "tokenizer.json").write_bytes(chance.randbytes(5000))
    (folder / SHARD).write_bytes(safetensors(SIZE, chance))
    (folder / TAIL).write_bytes(safetensors(SIZE // 2, chance))
    return folder


def safetensors(size: int, chance: random.Random) -> bytes:
    """A file of that many bytes as the format has them: one tensor behind its header."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [0], "data_offsets": [0, size - 128]}}).ljust(120).encode()
    return struct.pack("<Q", 120) + header + chance.randbytes(size - 128)


@pytest.fixture
def hub(tmp_path, model):
    with hub_of(tmp_path, [Repository(MODEL, model), Repository(GATED, model, TOKEN)]) as running:
        yield running


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_brings_every_byte_once(hub: Hub, model, source):
    done = hub.fetch(source)
    assert done.code == 0, done.log
    assert differing(hub.folder(source), model) == []
    assert done.result.startswith(f"folder={hub.folder(source)} revision=")
    before = len(hub.requests())
    again = hub.fetch(source)
    assert again.code == 0
    content = [r for r in hub.requests()[before:] if re.search(r"/resolve/|FilePath|/lfs/", str(r["path"]))]
    assert content == [], "what is there and right is not fetched again"


@pytest.mark.parametrize("source", SOURCES)
def test_every_cut_is_survived(hub: Hub, model, source):
    """In the listing, at each file's first, middle and last byte, and between pieces: the end is whole and verified."""
    files = [SHARD, TAIL] if "git" in WHERE[source] else ["config.json", "tokenizer.json", SHARD, TAIL]
    hub.depot.faults.order(Fault("cut", LISTING[source], at=10))
    for name in files:
        size = (model / name).stat().st_size
        for at in sorted({0, 1, size // 2, 65536, size - 1}):
            if at < size:
                hub.depot.faults.order(Fault("cut", WHERE[source].format(name), at=at))
    ordered = len(hub.depot.faults.listing())
    done = hub.fetch(source, more=SMALL)
    assert done.code == 0, done.log
    assert differing(hub.folder(source), model) == []
    left = hub.depot.faults.listing()
    # Objects of LFS have no names in their addresses: faults beyond the shorter one's end hit the longer.
    assert left == [], done.log
    assert sum(r["fault"] == "cut" for r in hub.requests()) == ordered
    # A cut costs no byte twice.
    content = {"huggingface": "/resolve/", "modelscope": "FilePath="}.get(source, ".git/lfs/")
    assert hub.sent(content) == sum((model / name).stat().st_size for name in files)


def test_a_killed_download_goes_on_where_it_was(hub: Hub, model):
    """Killed at half, the next run, and nobody else, fetches the rest; its own lock doesn't hold it up."""
    hub.depot.faults.order(Fault("stall", f"*{SHARD}", at=200_000, seconds=30))
    process, _ = hub.start(more={**SMALL, "DOWNLOAD_CONNECTIONS": "1"}, stall_seconds=60)
    part = hub.folder() / f"{SHARD}.tandem-part"
    until(lambda: part.exists() and part.stat().st_size >= 196_608 - 65_536)
    process.kill()
    process.wait()
    held = part.stat().st_size
    before = len(hub.requests())
    began = time.monotonic()
    done = hub.fetch(more=SMALL)
    assert done.code == 0, done.log
    assert time.monotonic() - began < 10
    assert differing(hub.folder(), model) == []
    # The request that was cut off is noted when the hub notices.
    later = [r for r in hub.requests()[before:] if SHARD in str(r["path"]) and r["fault"] != "stall"]
    assert sum(int(str(r["bytes"])) for r in later) == SIZE - held > 0


def test_a_stalled_connection_is_opened_anew_where_it_was(hub: Hub, model):
    hub.depot.faults.order(Fault("stall", f"*{SHARD}", at=100_000, seconds=30))
    done = hub.fetch()
    assert done.code == 0, done.log
    assert f"{SHARD} at byte 100000: no new byte for 1 s; requesting again from there" in done.log
    assert differing(hub.folder(), model) == []
    assert hub.sent(SHARD) <= SIZE + 1


def test_a_slow_hub_is_reported(hub: Hub):
    hub.depot.faults.order(Fault("throttle", f"*{SHARD}", rate=100_000))
    done = hub.fetch()
    assert done.code == 0
    assert re.search(
        r"some/model: [\d.]+ KB/s, slower than 1 MB/s for 1 s: a mirror \(model\.endpoint\) may be faster", done.log
    )


@pytest.mark.parametrize("source", ["huggingface", "git-lfs"])
def test_bytes_altered_on_the_way_are_fetched_again(hub: Hub, model, source):
    hub.depot.faults.order(Fault("corrupt", WHERE[source].format(SHARD), at=SIZE // 3))
    done = hub.fetch(source)
    assert done.code == 0
    assert "came with other bytes than the hub's" in done.log
    assert differing(hub.folder(source), model) == []


def test_a_hub_that_always_alters_bytes_is_named(hub: Hub):
    hub.depot.faults.order(Fault("corrupt", f"*{SHARD}", at=5000, times=50))
    done = hub.fetch()
    assert done.message == (
        f"{hub.folder() / SHARD} holds other bytes than the hub's (checksum differs) after downloading it twice; "
        "the hub or the storage alters bytes"
    )
    assert not (hub.folder() / SHARD).exists()


def test_of_a_changed_byte_on_the_storage_only_its_file_is_fetched_again(hub: Hub, model):
    hub.fetch()
    with (hub.folder() / SHARD).open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\xff\x00\xff\x00")
    before = len(hub.requests())
    assert hub.fetch().code == 0
    assert differing(hub.folder(), model) == []
    assert {str(r["path"]).rsplit("/", 1)[-1] for r in hub.requests()[before:] if "/resolve/" in str(r["path"])} == {
        SHARD
    }


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_passing_refusals_are_tried_again(hub: Hub, model, source):
    hub.depot.faults.order(Fault("status", LISTING[source], status=503))
    for status in (429, 500):
        hub.depot.faults.order(Fault("status", WHERE[source].format(SHARD), status=status))
    assert hub.fetch(source).code == 0
    assert differing(hub.folder(source), model) == []


def test_a_dead_hub_ends_in_a_sentence_and_verified_weights_need_none(hub: Hub, model):
    hub.depot.faults.order(Fault("status", status=500, times=1000))
    assert hub.fetch().message == f"the hub did not answer for {MODEL} (HTTP 500); see model.endpoint"
    hub.depot.faults.clear()
    assert hub.fetch().code == 0
    hub.depot.faults.order(Fault("status", status=500, times=1000))
    done = hub.fetch()
    assert done.code == 0
    assert "verifying what was verified before" in done.log
    hub.depot.faults.clear()
    shutil.rmtree(hub.folder())
    hub.depot.faults.order(Fault("cut", f"*{SHARD}", at=100, times=1000))
    assert hub.fetch().message == (
        f"{MODEL} could not be downloaded in 3 tries ({SHARD} at byte 100: the connection was cut); see the log, and "
        "model.endpoint for a mirror"
    )


GATED_SAID = "{} is gated: accept its licence on the hub and set hubToken"


@pytest.mark.parametrize(
    ("source", "wanted", "revision", "said"),
    [
        (
            "huggingface",
            "no/ne",
            None,
            "the hub knows no model no/ne; correct model.id, or set hubToken if it is private",
        ),
        ("huggingface", MODEL, "v9", f"{MODEL} has no revision v9; leave model.revision out for its default"),
        ("huggingface", GATED, None, GATED_SAID),
        ("modelscope", "no/ne", None, "the hub knows no model no/ne at master; correct model.id and model.revision"),
        ("modelscope", MODEL, "v9", f"the hub knows no model {MODEL} at v9; correct model.id and model.revision"),
        ("modelscope", GATED, None, GATED_SAID),
        ("openmind", "no/ne", None, "there is no git repository at {url}; correct model.id"),
        ("openmind", MODEL, "v9", f"{MODEL} has no revision v9; leave model.revision out for its default"),
        ("openmind", GATED, None, GATED_SAID),
        ("git-lfs", "no/ne", None, "there is no git repository at {url}; correct model.id"),
        ("git-lfs", MODEL, "v9", "{url} has no revision v9; leave model.revision out for its default"),
        ("git-lfs", GATED, None, GATED_SAID),
    ],
)
def test_a_model_that_cannot_be_had(hub: Hub, source, wanted, revision, said):
    url = f"{hub.base}/git/{wanted}.git"
    message = hub.fetch(source, wanted, revision=revision).message
    assert message == said.format(url if source == "git-lfs" else wanted, url=url)


@pytest.mark.parametrize("source", SOURCES)
def test_a_gated_model_with_its_token(hub: Hub, model, source):
    done = hub.fetch(source, GATED, token=TOKEN)
    assert done.code == 0, done.message
    assert differing(hub.folder(source, GATED), model) == []
    assert TOKEN not in done.log


@pytest.mark.parametrize(("source", "revision"), [("openmind", "main"), ("git-lfs", "v1")])
def test_a_branch_and_a_tag_and_their_commit(hub: Hub, model, source, revision):
    done = hub.fetch(source, revision=revision)
    commit = done.result.rpartition("revision=")[2]
    assert re.fullmatch("[0-9a-f]{40}", commit)
    assert hub.fetch(source, revision=commit).code == 0
    assert differing(hub.folder(source, revision=commit), model) == []


def test_too_little_space_is_reported_before_the_first_byte(hub: Hub, tmp_path):
    """By its hub's words this model is larger than any disk."""
    (sparse := tmp_path / "huge").mkdir()
    (sparse / "config.json").write_text("{}")
    with (sparse / "model.safetensors").open("wb") as stream:
        stream.truncate(64 << 20)
    repository = Repository("some/huge", sparse)
    entry = repository.files["model.safetensors"]
    repository.files["model.safetensors"] = type(entry)(entry.path, entry.file, 1 << 60, entry.sha256, entry.git_sha1)
    hub.depot.repositories["some/huge"] = repository
    done = hub.fetch(model="some/huge")
    assert re.fullmatch(
        rf"{hub.storage}/models has [\d.]+ [GT]B free and some/huge needs 1\.153e\+06 TB more; "
        "free space there or use a larger storage",
        done.message,
    ), done
    assert hub.sent("/resolve/") == 0


def test_of_two_that_want_the_same_one_writes_and_the_other_finds_it_done(hub: Hub, model):
    hub.depot.faults.order(Fault("throttle", f"*{SHARD}", rate=150_000))
    first, at = hub.start(home="machine-1", stall_seconds=30)
    until(lambda: "downloading" in ((at / "status").read_text() if (at / "status").exists() else ""))
    second, other = hub.start(home="machine-2", stall_seconds=30)
    until(lambda: "writes" in ((other / "status").read_text() if (other / "status").exists() else ""))
    assert ended(first, at).code == 0
    assert ended(second, other).code == 0
    assert differing(hub.folder(), model) == []
    assert hub.sent(SHARD) == SIZE


def test_a_writer_that_vanished_elsewhere_is_waited_for_and_then_replaced(hub: Hub, model):
    """Another machine's lock that nobody touches any more."""
    lock = hub.folder().parent / f".{hub.folder().name}.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("gpu-9 0123456789abcdef 4711 99")
    process, folder = hub.start(more={"LOCK_BEAT_SECONDS": "0.1"})
    until(lambda: "gpu-9 writes" in ((folder / "status").read_text() if (folder / "status").exists() else ""))
    assert ended(process, folder).code == 0
    assert differing(hub.folder(), model) == []
    assert not lock.exists()


def test_the_step_as_it_travels(hub: Hub, model, tmp_path):
    """run.sh, weights.sh and all of its files, with nothing of the project beside them."""
    args = hub.arguments("git-lfs", MODEL, files=("sub/*", "config.json"))
    step = tmp_path / "stack/steps/weights/0123"
    step.mkdir(parents=True)
    for name, path in {**travelling(), "step.sh": FILES / "weights.sh", "run.sh": REMOTE / "run.sh"}.items():
        (step / name).write_bytes(path.read_bytes())
    (step / "lib.sh").write_bytes((REMOTE / "lib.sh").read_bytes())
    (step / "env").write_text(render_environment(environment(args)))
    done = subprocess.run(
        ["bash", step / "run.sh", "sync"],
        env={**os.environ, "no_proxy": "*"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.startswith(f"folder={args.folder} revision="), done.stderr
    there = {p.name for p in Path(args.folder).rglob("*") if p.is_file()}
    assert there == {"config.json", Path(TAIL).name, ".tandem-weights.json"}
    assert (Path(args.folder) / TAIL).read_bytes() == (model / TAIL).read_bytes()
