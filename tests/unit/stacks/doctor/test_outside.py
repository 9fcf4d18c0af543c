"""What this computer sees of a stack, by real connections on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest

from components.gateway.certificate import make_pair
from stacks.doctor import external_probe
from stacks.doctor.addresses import Place
from stacks.doctor.deadline import ask_all
from stacks.doctor.stack import Stack
from stacks.load_settings import parse
from tests.support.settings import values


@pytest.fixture
def shown(tmp_path):
    """A gateway's certificate, its authority, and the port where it is shown."""
    pair = make_pair("seed", "tandem-test", ["127.0.0.1", "localhost"], 1)
    file = tmp_path / "pair.pem"
    file.write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                context.wrap_socket(connection, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield pair.authority, listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_certificate_is_read_and_tried(shown):
    authority, port = shown
    found = external_probe.certificate(f"https://127.0.0.1:{port}/v1", authority)
    assert (found.refusal, set(found.names)) == ("", {"127.0.0.1", "localhost"})
    assert found.begins < found.ends and external_probe.days_until(found.ends) > 14
    other = make_pair("other", "tandem-test", ["127.0.0.1"], 1).authority
    assert external_probe.certificate(f"https://127.0.0.1:{port}/v1", other).refusal


def test_inner_ports_that_are_open_are_reported():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        serving = {"tensorParallelSize": 2, "executor": "mp", "groupPort": port}
        here = [{"name": "a", "address": "127.0.0.1"}, {"name": "b", "address": "127.0.0.2"}]
        config = values(machines=here, serving=serving)
        stack = Stack("test", "tandem", config, parse(config))
        place = Place("a", "", "127.0.0.1", "127.0.0.1", number=0)
        assert external_probe.open_inner_ports(stack, [place]) == {"a": [port]}


def test_a_question_without_an_answer_holds_nobody_up():
    began = time.monotonic()
    found = ask_all({"late": lambda: time.sleep(30), "quick": lambda: 1, "wrong": lambda: 1 / 0}, 0.2)
    assert time.monotonic() - began < 5
    assert found["quick"].value == 1
    assert isinstance(found["late"].failure, TimeoutError) and isinstance(found["wrong"].failure, ZeroDivisionError)


def test_who_may_reach_inner_ports_is_no_witness():
    assert external_probe.within({"10.0.0.7"}, ["10.0.0.0/24"])
    assert not external_probe.within({"10.0.1.7"}, ["10.0.0.0/24"])
