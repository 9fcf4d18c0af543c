"""The real client libraries of both hubs against the depot: whole, after a cut, and with a corrupted byte.

They run in the engine's environment, which needs root once to be made and to be entered.
"""

import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.depot.faults import Fault
from localcloud.depot.repository import Repository
from localcloud.depot.server import Contents, Depot
from localcloud.fixtures import ensure_environment, ensure_model
from localcloud.fixtures.environment import FILES
from localcloud.fixtures.wheels import ensure_wheels
from localcloud.http.journal import Journal

pytestmark = pytest.mark.root
MIB = 48
"""huggingface_hub writes 10 MiB at a time (DOWNLOAD_CHUNK_SIZE), so less than that leaves nothing to go on from."""
AT = 15 << 20
SHARD = "model-00001-of-00002.safetensors"


@pytest.fixture(scope="module")
def environment() -> Path:
    return ensure_environment()


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    repository = Repository("some/model", ensure_model(MIB))
    contents = Contents([repository], wheels=ensure_wheels())
    with Depot(("127.0.0.1", 0), contents, Journal(tmp_path / "requests.jsonl")) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("fetch_with_clients.py"), folder)
    return folder


def inside(environment: Path, shared: Path, depot: Depot, *command: str) -> subprocess.CompletedProcess[str]:
    base = f"http://127.0.0.1:{depot.server_address[1]}"
    variables = {
        "HF_ENDPOINT": f"{base}/hf",
        "HF_HUB_DISABLE_XET": "1",
        "MODELSCOPE_ENDPOINT": f"{base}/modelscope",
        "no_proxy": "*",
    }
    words = [str(FILES / "inside.sh"), str(environment), str(shared)]
    words += ["env", *(f"{name}={value}" for name, value in variables.items()), *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def fetch(environment: Path, shared: Path, depot: Depot, client: str) -> subprocess.CompletedProcess[str]:
    return inside(environment, shared, depot, "python", "/mnt/fetch_with_clients.py", client, "/mnt/model")


def requests(depot: Depot) -> list[dict[str, Any]]:
    """Those for the first shard's content."""
    lines = [json.loads(line) for line in depot.journal.file.read_text().splitlines()]
    return [line for line in lines if SHARD in line["path"] and line["method"] == "GET"]


def sent(depot: Depot) -> int:
    """Bytes of the first shard that went out."""
    return sum(line["bytes"] for line in requests(depot))


def same(shared: Path) -> bool:
    model = ensure_model(MIB)
    return all((shared / "model" / file.name).read_bytes() == file.read_bytes() for file in model.iterdir())


@pytest.mark.parametrize("client", ["huggingface", "modelscope"])
class TestClients:
    def test_everything_arrives_and_a_second_run_fetches_no_weights(
        self, environment: Path, shared: Path, depot: Depot, client: str
    ) -> None:
        done = fetch(environment, shared, depot, client)
        assert done.returncode == 0, done.stderr
        assert same(shared)
        transferred = sent(depot)
        assert fetch(environment, shared, depot, client).returncode == 0
        assert sent(depot) == transferred

    @pytest.mark.long  # that a cut can be resumed test_fetch.py shows with our own client; this is the hubs' own
    def test_a_cut_transfer_is_resumed_where_it_was_cut(
        self, environment: Path, shared: Path, depot: Depot, client: str
    ) -> None:
        depot.faults.order(Fault("cut", f"*{SHARD}*", at=AT))
        for _ in range(2):  # a client may give up at the first cut; the next run goes on
            done = fetch(environment, shared, depot, client)
            if done.returncode == 0:
                break
        assert same(shared), done.stderr
        shard = requests(depot)
        assert shard[0]["fault"] == "cut"
        assert any(line["status"] == 206 and line["range"] for line in shard[1:]), shard

    @pytest.mark.long  # what a client compares changes with its version only
    def test_a_corrupted_byte_is_noticed_or_seen_by_its_checksum(
        self, environment: Path, shared: Path, depot: Depot, client: str
    ) -> None:
        depot.faults.order(Fault("corrupt", f"*{SHARD}*", at=AT))
        done = fetch(environment, shared, depot, client)
        if client == "modelscope":
            assert done.returncode != 0 or same(shared), "it checks SHA-256 itself"
        else:
            assert not same(shared), "huggingface_hub compares sizes only: whoever uses it checks the sums"


def test_pip_installs_the_clients_from_the_depot_alone(environment: Path, shared: Path, depot: Depot) -> None:
    index = f"http://127.0.0.1:{depot.server_address[1]}/pypi/simple"
    base = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{index}/pip/").read().decode()
    pip = next(part.split('"')[0].split("/")[-1].split("#")[0] for part in base.split('href="')[1:])
    script = f"""
import sys, urllib.request
urllib.request.urlretrieve({index.replace("/simple", "/files/") + pip!r}, "/tmp/{pip}")
sys.path.insert(0, "/tmp/{pip}")
from pip._internal.cli.main import main
sys.exit(main(["install", "--quiet", "--isolated", "--index-url", {index!r}, "--target", "/tmp/site",
               "huggingface_hub==2.4.0", "modelscope==1.40.2"]))
"""
    (shared / "install.py").write_text(script)
    done = inside(environment, shared, depot, "/usr/bin/python3", "/mnt/install.py")
    assert done.returncode == 0, done.stderr
