"""The depot over a socket: transfers, faults, journal, and its life as a process."""

import hashlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from localcloud.depot import daemon
from localcloud.depot.repository import Repository
from localcloud.depot.server import Contents, Depot
from localcloud.errors import LocalCloudError
from localcloud.fixtures.images import write_images
from localcloud.http.journal import Journal

WEIGHTS = bytes(range(256)) * 1024
PATH = "/hf/some/model/resolve/main/model.safetensors"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(WEIGHTS)
    return model


def program(folder: Path) -> Path:
    """What stands for Caddy's binary: the layout is the same for any bytes."""
    file = folder / "caddy"
    file.write_bytes(b"a program")
    return file


@pytest.fixture
def depot(tmp_path: Path, folder: Path) -> Iterator[Depot]:
    (tmp_path / "images").mkdir()
    write_images(tmp_path / "images", program(tmp_path))
    contents = Contents([Repository("some/model", folder)], images=tmp_path / "images", apt=folder)
    with Depot(("127.0.0.1", 0), contents, Journal(tmp_path / "requests.jsonl")) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def url(depot: Depot, path: str) -> str:
    return f"http://127.0.0.1:{depot.server_address[1]}{path}"


def fetch(depot: Depot, path: str, body: bytes | None = None, **headers: str) -> bytes:
    request = urllib.request.Request(url(depot, path), data=body, headers=headers)  # a URL of our own
    with OPENER.open(request, timeout=60) as answer:
        return bytes(answer.read())


def order(depot: Depot, **fault: object) -> None:
    fetch(depot, "/depot/faults", json.dumps(fault).encode())


def journal(depot: Depot, lines: int) -> list[dict[str, Any]]:
    """The journal when it has that many lines: one is written after its answer was sent."""
    deadline = time.monotonic() + 5
    while len(written := depot.journal.file.read_text().splitlines()) < lines:
        assert time.monotonic() < deadline, written
        time.sleep(0.01)
    return [json.loads(line) for line in written]


def test_whole_and_in_ranges(depot: Depot) -> None:
    assert fetch(depot, PATH) == WEIGHTS
    assert fetch(depot, PATH, Range="bytes=1000-1999") == WEIGHTS[1000:2000]
    with pytest.raises(urllib.error.HTTPError, match="416"):
        fetch(depot, PATH, Range=f"bytes={len(WEIGHTS)}-")


def test_an_image_is_pulled_by_digest_with_the_right_types_and_bytes(depot: Depot) -> None:
    with OPENER.open(url(depot, "/v2/tandem/gateway/manifests/2.11.7")) as answer:
        assert answer.headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
        digest, content = answer.headers["Docker-Content-Digest"], answer.read()
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    layer = json.loads(content)["layers"][0]
    blob = fetch(depot, f"/v2/tandem/gateway/blobs/{layer['digest']}")
    assert layer["digest"] == f"sha256:{hashlib.sha256(blob).hexdigest()}"


def test_a_cut_comes_once_and_the_rest_can_be_fetched(depot: Depot) -> None:
    order(depot, kind="cut", path="*model.safetensors", at=100_000)
    with pytest.raises(IncompleteRead) as cut:
        fetch(depot, PATH)
    begun = cut.value.partial
    assert begun == WEIGHTS[:100_000]
    assert begun + fetch(depot, PATH, Range=f"bytes={len(begun)}-") == WEIGHTS
    assert [line["fault"] for line in journal(depot, 2)] == ["cut", None]


def test_corruption_status_and_throttle(depot: Depot) -> None:
    order(depot, kind="corrupt", at=5)
    assert fetch(depot, PATH)[:7] == bytes([0, 1, 2, 3, 4, 5 ^ 0xFF, 6])
    order(depot, kind="status", status=503, times=2)
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError, match="503"):
            fetch(depot, PATH)
    assert fetch(depot, PATH) == WEIGHTS
    order(depot, kind="throttle", rate=1 << 20)
    assert fetch(depot, PATH) == WEIGHTS
    assert journal(depot, 5)[-1]["seconds"] >= len(WEIGHTS) / (1 << 20), "a quarter of a MiB at 1 MiB/s"


def test_a_wrong_order_is_refused_in_a_sentence(depot: Depot) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        order(depot, kind="explode")
    assert "use one of cut" in caught.value.read().decode()


def test_started_seen_from_another_process_and_stopped(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "images").mkdir()
    write_images(tmp_path / "images", program(tmp_path))
    with Depot(("127.0.0.1", 0), Contents(), Journal(tmp_path / "probe")) as probe:
        listen = f"127.0.0.1:{probe.server_address[1]}"
    state = tmp_path / "state"
    given: dict[str, Any] = {"models": {"some/model": folder}, "images": tmp_path / "images", "wheels": tmp_path}
    running = daemon.start(state, listen, **given)
    try:
        assert daemon.start(state, listen, **given) == running, "a second start keeps the first"
        with pytest.raises(LocalCloudError, match="did not start"):
            daemon.start(tmp_path / "other", listen, **given)
    finally:
        assert daemon.stop(state)
    assert daemon.status(state) is None
    assert not Path(f"/proc/{running.pid}").exists()
