"""Requests and bytes by key, as the real Caddy has logged them and the program beside it counts them."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from components.gateway.caddy import render
from components.gateway.gateway import FILES
from tests.support.gateway import KEY, OTHER, send_stream
from tests.support.waiting import until

CHAT = "/v1/chat/completions"
INSIDE = ("127.0.0.1/32",)


@pytest.fixture
def count():
    """Starts the program for a folder; it is up when it answers."""
    running = []

    def start(folder: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, FILES / "key_metrics.py", folder])
        running.append(process)
        until(lambda: metrics_of(folder) is not None)
        return process

    yield start
    for process in running:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(10)


def metrics_of(folder: Path) -> str | None:
    """What the program says on its own socket; None while nobody is there."""
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(folder / "keys.socket"))
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def counted(text: str) -> dict[str, dict[str, float]]:
    """By metric and labels, `default` or `default,200`."""
    found: dict[str, dict[str, float]] = {}
    for metric, key, code, value in re.findall(
        r'tandem_gateway_(\w+)_total\{key="(.*?)"(?:,code="(.*?)")?\} (\S+)', text
    ):
        found.setdefault(metric, {})[",".join(filter(None, (key, code)))] = float(value)
    return found


def requests(folder: Path) -> dict[str, float]:
    return counted(metrics_of(folder) or "").get("requests", {})


def test_requests_bytes_and_seconds_are_counted_by_key(own, count):
    """Whoever has no key is `-`; nothing that a client sends becomes a name."""
    gateway = own(metrics_cidrs=INSIDE)
    assert gateway.ask("/gateway/metrics/keys", None).status == 503, "the program is not there yet"
    count(gateway.folder)
    gateway.ask("/v1/models")
    gateway.ask(CHAT, OTHER, "POST", "x" * 5000)
    gateway.ask("/v1/models", "wrong" * 8, Host="other", X_Request_Id='","key":"other')
    gateway.ask('/v1/x","key":"invented","status":200', None)
    _, reply = send_stream(gateway, max_tokens=5, pace=0.05)
    sent = len(reply.read())
    until(lambda: requests(gateway.folder).get("default,200") == 2)
    seen = counted(gateway.ask("/gateway/metrics/keys", None).text)
    seen["requests"].pop("-,200", None)  # whoever asked for metrics
    assert seen["requests"] == {"default,200": 2, "other,200": 1, "-,401": 1, "-,404": 1, "-,503": 1}
    assert set(seen["response_bytes"]) == {"default", "other", "-"}
    assert seen["request_bytes"]["other"] == 5000
    assert sent <= seen["response_bytes"]["default"] < sent + 2000
    assert seen["request_seconds"]["default"] > 0.2, "a stream to its end"


def test_only_who_may_read_metrics_reads_these(own, count):
    gateway = own(metrics_cidrs=("10.0.0.0/8",))
    count(gateway.folder)
    assert [gateway.ask("/gateway/metrics/keys", key).status for key in (KEY, None)] == [404, 404]


def test_what_is_counted_from_holds_names_and_numbers_alone_and_needs_no_access_log(own, count):
    gateway = own(metrics_cidrs=INSIDE, access_log=False)
    count(gateway.folder)
    gateway.ask("/v1/models?secret-word", OTHER, X_Request_Id="id-word")
    until(lambda: requests(gateway.folder) == {"other,200": 1})
    assert gateway.lines() == []
    log = gateway.folder / "keys.log"
    assert not [file for file in gateway.folder.glob("keys*") if file.stat().st_mode & 0o077]
    assert set(json.loads(log.read_text().splitlines()[0])) == {
        "level",
        "ts",
        "logger",
        "msg",
        "bytes_read",
        "duration",
        "size",
        "status",
        "key",
    }


def test_nothing_is_lost_or_counted_twice_when_logs_are_renamed_and_programs_killed(own, count):
    """Caddy begins another log at a megabyte here, and what it keeps is two older ones."""
    gateway = own(metrics_cidrs=INSIDE)
    rendered = render(gateway.config)
    keys = rendered["logging"]["logs"]["keys"]
    keys["writer"]["roll_size_mb"] = 1
    del keys["encoder"]["fields"]["request_id"]  # 30 kB of one fill a log soon
    assert gateway.load(json.dumps(rendered)) == ""
    counter = count(gateway.folder)
    made, before = 0, 0.0
    for kill in ("", "counter", "gateway", "both", ""):
        if kill in ("counter", "both"):
            end(counter)
        if kill in ("gateway", "both"):
            gateway.kill()
            gateway.start()
        for _ in range(50):
            assert gateway.ask("/v1/models", X_Request_Id="x" * 30_000).status == 200
        made += 50
        if kill in ("counter", "both"):
            counter = count(gateway.folder)
        until(lambda: requests(gateway.folder)["default,200"] >= made)  # noqa: B023  # of this round
        seen = requests(gateway.folder)["default,200"]
        assert before < seen == made
        before = seen
    assert len(list(gateway.folder.glob("keys-*.log"))) == 2, "logs were renamed, and the oldest removed"


def test_lines_that_are_no_requests_count_as_nothing(tmp_path, count):
    line = {"key": "a", "status": 200, "size": 1, "bytes_read": 2, "duration": 0.5}
    bad = ["", "no json", "[1]", '{"key":"a"}', json.dumps({**line, "status": None})]
    odd = [{**line, "key": 'x"} 1'}, {**line, "key": "y" * 50}]
    log = tmp_path / "keys.log"
    log.write_text("".join(f"{text}\n" for text in [json.dumps(line), *bad, *map(json.dumps, odd)]) + '{"key":"a",')
    count(tmp_path)
    assert requests(tmp_path) == {"a,200": 1, "-,200": 2}
    with log.open("a") as more:
        more.write(json.dumps(line)[len('{"key":"a",') + 1 :] + "\n")
    assert requests(tmp_path) == {"a,200": 2, "-,200": 2}, "a line counts when it is whole"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_started_by_root_it_counts_as_the_user_that_it_is_told(tmp_path):
    """Beside a container: the log is the gateway's user's, and so is all that is written."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    line = {"key": "a", "status": 200, "size": 1, "bytes_read": 2, "duration": 0.5}
    log = folder / "keys.log"
    log.write_text(json.dumps(line) + "\n")
    log.chmod(0o600)
    for each in (folder, log):
        os.chown(each, 65532, 65532)
    process = subprocess.Popen([sys.executable, FILES / "key_metrics.py", folder, "65532"])
    try:
        until(lambda: requests(folder) == {"a,200": 1})
        owners = {file.name: file.stat().st_uid for file in folder.glob("keys*")}
    finally:
        end(process)
    assert owners == dict.fromkeys(("keys.log", "keys.json", "keys.socket"), 65532)
