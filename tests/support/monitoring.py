"""Debian's Prometheus with our configuration and rules; every query of the panels and series of the rules."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import requests
import yaml

from components.monitoring.monitoring import COLLECTORS, FILES
from components.monitoring.prometheus import PATH, Ports, Target, render_prometheus
from localcloud.fixtures.prometheus import ensure_prometheus
from tests.support.waiting import free_port, until

RULES, DASHBOARD = FILES / "rules", FILES / "dashboards/deployment.json"
UNLIT = "—"
PLANNED = (
    "kv_cache_tokens",
    "concurrency",
    "decode_tokens_per_second",
    "prefill_tokens_per_second",
    "load_seconds",
    "price_cny_per_hour",
)
"""Figures of a plan that panels show, without their prefix."""


def panels() -> list[tuple[str, str]]:
    """Title and query of every panel, in the dashboard's order."""
    found = json.loads(DASHBOARD.read_text())["panels"]
    return [(panel["title"], target["expr"]) for panel in found for target in panel.get("targets", [])]


def rules() -> list[tuple[str, str]]:
    """Name and expression of every rule."""
    files = [yaml.safe_load(file.read_text()) for file in sorted(RULES.glob("*.yml"))]
    return [
        (rule["alert"], rule["expr"])
        for file in files
        for group in file["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def recorded() -> str:
    """The rules that record series for panels, as text."""
    return (RULES / "records.yml").read_text()


class Prometheus:
    """One Prometheus of a single machine.

    Args:
        folder: its own.
        ports: where the parts are that it asks; its own port is in there.
        engine: the engine's port.
        every: seconds between two looks.
        gpus: the machine has a GPU exporter.
        npu: an npu-exporter's port.
        log: what it writes, if not in its folder.
    """

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        engine: int,
        *,
        every: str = "1s",
        gpus: bool = True,
        npu: int | None = None,
        log: Path | None = None,
    ) -> None:
        (folder / "rules").symlink_to(RULES)
        config = json.loads(
            render_prometheus([Target("n0", "127.0.0.1", gpus)], ports, engine=engine, ray=None, npu=npu)
        )
        config["global"] |= {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
        (folder / "prometheus.json").write_text(json.dumps(config))
        self.base = f"http://127.0.0.1:{ports.prometheus}{PATH}/prometheus"
        self.log = (log or folder / "prometheus.log").open("w")
        self.process = subprocess.Popen(
            [
                ensure_prometheus() / "prometheus",
                f"--config.file={folder}/prometheus.json",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{ports.prometheus}",
                f"--web.external-url=https://gateway.example{PATH}/prometheus/",
                f"--web.route-prefix={PATH}/prometheus",
            ],
            stdout=self.log,
            stderr=self.log,
        )
        until(self.ready, 60)

    def ready(self) -> bool:
        try:
            return requests.get(f"{self.base}/-/ready", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def get(self, path: str, **params: str) -> Any:
        reply = requests.get(f"{self.base}/api/v1/{path}", params=params, timeout=60)
        answer = reply.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, query: str) -> list[float]:
        """What a query gives now."""
        found = self.get("query", query=query)
        return (
            [float(found["result"][1])]
            if found["resultType"] == "scalar"
            else [float(one["value"][1]) for one in found["result"]]
        )

    def targets(self) -> dict[str, str]:
        """Health of each job."""
        return {one["labels"]["job"]: one["health"] for one in self.get("targets")["activeTargets"]}

    @property
    def memory_mib(self) -> float:
        """Its resident memory, MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def some_ports() -> Ports:
    """Free ones."""
    return Ports(*(free_port() for _ in range(7)))


def node_exporter(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """As the component starts it; `folder` is the one of `tandem.prom`."""
    words = [f"--web.listen-address=127.0.0.1:{port}", "--collector.disable-defaults"]
    words += [*(f"--collector.{each}" for each in COLLECTORS), f"--collector.textfile.directory={folder}"]
    return subprocess.Popen(
        [ensure_prometheus() / "node_exporter", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def operands(expression: str) -> list[str]:
    """The series' selectors of a rule's expression, by Prometheus' own reading of names: without values and windows."""
    selector = r"\b(?:tandem_\w+|vllm:\w+|node_\w+|DCGM_\w+|npu_\w+|up)(?:\{[^}]*\})?"
    return list(dict.fromkeys(re.findall(selector, expression)))


def cell(values: list[float]) -> str:
    """A cell of the table."""
    if not values:
        return UNLIT
    shown = ", ".join("NaN" if math.isnan(value) else f"{value:.4g}" for value in values[:3])
    return shown + (f" and {len(values) - 3} more" if len(values) > 3 else "")


def table(prometheus: Prometheus) -> str:
    """Every query of every panel and rule, and what it gives now, in Markdown."""

    def escaped(text: str) -> str:
        return text.replace("|", r"\|")

    lines = ["| Panel | Query | Gives |", "|---|---|---|"]
    lines += [f"| {title} | `{escaped(query)}` | {cell(prometheus.values(query))} |" for title, query in panels()]
    lines += ["", "| Rule | Series it looks at | They give |", "|---|---|---|"]
    for name, expression in rules():
        for series in operands(expression):
            lines.append(f"| {name} | `{escaped(series)}` | {cell(prometheus.values(series))} |")
    return "\n".join(lines) + "\n"


def wait_for_two_looks(prometheus: Prometheus) -> None:
    """Until there are rates."""
    until(lambda: set(prometheus.targets().values()) == {"up"}, 60)
    time.sleep(4)
