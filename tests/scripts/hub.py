"""The fetch script against a hub on loopback: no machine, no engine, the script's own processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.weights import WeightsArgs
from components.weights.weights import environment as environment_of
from localcloud.depot.repository import Repository
from localcloud.depot.server import Contents, Depot
from localcloud.http.journal import Journal
from tests.support.paths import ROOT

FILES = ROOT / "components/weights/files"
MODEL, GATED, TOKEN = "some/model", "some/gated", "hub-token-4c1f9be07d"


@dataclass
class Fetched:
    """How a run of the script ended."""

    code: int
    log: str
    message: str
    result: str
    status: str


@dataclass
class Hub:
    """A hub and a storage."""

    depot: Depot
    storage: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.depot.server_address[1]}"

    def arguments(self, source: str, model: str, **options: object) -> WeightsArgs:
        """As the program makes them."""
        endpoint = {"huggingface": f"{self.base}/hf", "modelscope": f"{self.base}/modelscope"}
        return WeightsArgs(
            source=source,
            id=f"{self.base}/git/{model}.git" if source == "git-lfs" else model,
            endpoint=endpoint.get(source, f"{self.base}/git" if source == "openmind" else None),
            mount_point=str(self.storage),
            **{"revision": None, "stall_seconds": 1, **options},  # type: ignore[arg-type]
        )

    def start(
        self,
        source: str = "huggingface",
        model: str = MODEL,
        token: str = "",
        more: dict[str, str] | None = None,
        home: str = "machine",
        **options: object,
    ) -> tuple[subprocess.Popen[str], Path]:
        """The script as its own process, and the folder it reports to."""
        args = self.arguments(source, model, **options)
        folder = self.storage.parent / home
        folder.mkdir(exist_ok=True)
        for name in ("error", "result", "status"):
            (folder / name).unlink(missing_ok=True)
        for path in FILES.glob("*.py"):
            if not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "no_proxy": "*",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TANDEM_DIR": str(folder),
            **environment_of(args),
            "HUB_TOKEN": token,
            "DOWNLOAD_TRIES": "3",
            **(more or {}),
        }
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(FILES / "fetch.py")], env=environment, stdout=log, stderr=log, text=True
            )
        return process, folder

    def fetch(self, source: str = "huggingface", model: str = MODEL, **options: object) -> Fetched:
        """Runs the script to its end."""
        process, folder = self.start(source, model, **options)  # type: ignore[arg-type]
        return ended(process, folder)

    def folder(self, source: str = "huggingface", model: str = MODEL, **options: object) -> Path:
        return Path(self.arguments(source, model, **options).folder)

    def requests(self, part: str = "") -> list[dict[str, object]]:
        """Requests for content, from the hub's journal."""
        lines = map(json.loads, self.depot.journal.file.read_text().splitlines())
        return [r for r in lines if part in str(r["path"])]

    def sent(self, part: str) -> int:
        """Bytes of content that went out."""
        return sum(max(int(str(r["bytes"])), 0) for r in self.requests(part))


def ended(process: subprocess.Popen[str], folder: Path) -> Fetched:
    """Waits for the script."""
    code = process.wait(60)
    found = {
        name: path.read_text().strip() if (path := folder / name).exists() else ""
        for name in ("log", "error", "result", "status")
    }
    return Fetched(code, found["log"], found["error"], found["result"], found["status"])


def differing(folder: Path, model: Path) -> list[str]:
    """Files of the model that are not in the folder with the same bytes, and what is there besides."""
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {".tandem-weights.json"}
    wanted = {str(p.relative_to(model)) for p in model.rglob("*") if p.is_file()}
    return sorted(
        (there ^ wanted) | {n for n in there & wanted if (folder / n).read_bytes() != (model / n).read_bytes()}
    )


@contextmanager
def hub_of(tmp_path: Path, repositories: list[Repository]) -> Iterator[Hub]:
    """A hub that runs, and an empty storage."""
    storage = tmp_path / "storage"
    storage.mkdir()
    with Depot(("127.0.0.1", 0), Contents(repositories), Journal(tmp_path / "requests.jsonl")) as depot:
        thread = threading.Thread(target=depot.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Hub(depot, storage)
        depot.shutdown()
        thread.join()
