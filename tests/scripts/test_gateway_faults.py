"""The real gateway when something changes or goes wrong: keys, ports and certificates, kills, slow and idle clients."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.gateway import Tls
from components.gateway.caddy import render
from tests.support.gateway import KEY, OTHER, send_stream
from tests.support.waiting import free_port, until


def test_keys_come_and_go_while_a_stream_runs(own):
    gateway = own()
    _, reply = send_stream(gateway, max_tokens=30, pace=0.1)
    reply.read1(100)
    assert gateway.configure(keys={"default": KEY, "new": "n" * 32}) == ""
    assert [gateway.ask("/v1/models", key).status for key in (KEY, OTHER, "n" * 32)] == [200, 401, 200]
    assert gateway.configure(keys={"new": "n" * 32}) == ""
    assert gateway.ask("/v1/models").status == 401
    rest = reply.read()
    assert b"[DONE]" in rest, "the stream of a key that is no more goes on to its end"
    assert gateway.process.poll() is None


def test_a_port_and_a_certificate_change_without_a_restart(own):
    gateway = own()
    old, process = gateway.port, gateway.process.pid
    _, reply = send_stream(gateway, max_tokens=20, pace=0.1)
    assert gateway.configure(port=free_port()) == ""
    assert gateway.ask("/v1/models").status == 200
    assert b"[DONE]" in reply.read()
    until(lambda: not gateway.listens(old))
    assert gateway.process.pid == process


def test_a_configuration_that_is_refused_leaves_the_old_one(own):
    gateway = own()
    taken = socket.create_server(("", 0))
    said = gateway.load(json.dumps(render(gateway.config)).replace(f":{gateway.port}", f":{taken.getsockname()[1]}"))
    assert re.search(r"goes on as it was.*address already in use", said)
    assert gateway.ask("/v1/models").status == 200
    gateway.kill()
    gateway.start()
    assert gateway.ask("/v1/models").status == 200, "what it starts from is what it ran"
    taken.close()


def test_a_gateway_that_was_killed_comes_back_with_its_keys(own):
    gateway = own()
    assert gateway.configure(keys={"only": OTHER}) == ""
    gateway.kill()
    began = time.monotonic()
    gateway.start()
    assert time.monotonic() - began < 10
    assert [gateway.ask("/v1/models", key).status for key in (KEY, OTHER)] == [401, 200]
    assert gateway.configure(keys={"default": KEY}) == "", "its admin socket is there again"
    assert gateway.ask("/v1/models").status == 200


def test_slow_heads_and_idle_connections_are_closed_and_others_are_served(own):
    gateway = own(tls=Tls())
    slow = []
    for _ in range(200):
        slow.append(connection := socket.create_connection(("127.0.0.1", gateway.port)))
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-A: ")
    began = time.monotonic()
    assert gateway.ask("/v1/models").status == 200
    assert time.monotonic() - began < 2
    slow[0].settimeout(30)
    slow[0].recv(1)
    assert 10 < time.monotonic() - began < 25
    for connection in slow:
        connection.close()


def test_more_connections_than_files_do_not_last(own):
    """130 idle ones where 120 files may be open: it answers again once they are old, and burns nothing meanwhile."""
    gateway = own(files=120)
    before = cpu_seconds(gateway.process.pid)
    idle = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(130)]
    time.sleep(2)
    assert cpu_seconds(gateway.process.pid) - before < 1
    until(lambda: answers(gateway), 40)
    for connection in idle:
        connection.close()
    assert gateway.ask("/v1/models").status == 200


@pytest.mark.long
def test_8000_idle_connections_leave_room_for_others_and_go(own):
    gateway = own()
    with ThreadPoolExecutor(16) as pool:
        idle = list(pool.map(lambda _: socket.create_connection(("127.0.0.1", gateway.port)), range(8000)))
    began = time.monotonic()
    assert gateway.ask("/v1/models").status == 200
    assert time.monotonic() - began < 5
    until(lambda: len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir())) < 200, 60)
    for connection in idle:
        connection.close()


def cpu_seconds(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def answers(gateway) -> bool:
    try:
        return bool(gateway.ask("/v1/models").status == 200)
    except OSError:
        return False
