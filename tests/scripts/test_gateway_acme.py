"""Certificates from a real ACME server on this machine: pebble, from its Go module, asks the gateway over HTTP-01."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from components.gateway import Tls
from components.gateway.certificate import make_pair
from localcloud.system.cache import key_of, made_once
from localcloud.system.programs import run
from tests.support.gateway import Gateway
from tests.support.waiting import free_port, until

PEBBLE = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3"
OWN = make_pair("p" * 48, "pebble", ["127.0.0.1", "localhost"])
"""What the ACME server itself is reached by; clients of the gateway don't know it."""


@pytest.fixture(scope="module")
def program() -> Path:
    if shutil.which("go") is None:
        pytest.skip("needs Go")

    def make(folder: Path, log: Path) -> None:
        run("env", f"GOBIN={folder}", "GOFLAGS=-mod=mod", "go", "install", PEBBLE, log=log)

    return Path(made_once("pebble", key_of(PEBBLE), make)) / "pebble"


class Authority:
    """A running pebble, whose certificates last as long as a test wants."""

    def __init__(self, program: Path, folder: Path, seconds: int) -> None:
        self.folder, self.http_port = folder, free_port()
        self.port, self.management = free_port(), free_port()
        (folder / "cert.pem").write_text(OWN.certificate)
        (folder / "key.pem").write_text(OWN.key)
        profiles = {name: {"description": name, "validityPeriod": seconds} for name in ("default", "shortlived")}
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(folder / "cert.pem"),
            "privateKey": str(folder / "key.pem"),
            "httpPort": self.http_port,
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "profiles": profiles,
        }
        (folder / "config.json").write_text(json.dumps({"pebble": config}))
        self.log = (folder / "log").open("ab")
        self.process = subprocess.Popen(
            [program, "-config", folder / "config.json"],
            env={"PATH": os.environ["PATH"], "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
            stdout=self.log,
            stderr=self.log,
        )
        until(lambda: b"listening" in (folder / "log").read_bytes().lower())

    def tls(self, name: str) -> Tls:
        directory = f"https://127.0.0.1:{self.port}/dir"
        return Tls("acme", name=name, directory=directory, root=OWN.authority, http_port=self.http_port)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


@pytest.fixture
def authority(program, tmp_path):
    made: list[Authority] = []

    def make(seconds: int = 7_776_000) -> Authority:
        folder = tmp_path / "pebble"
        folder.mkdir()
        made.append(Authority(program, folder, seconds))
        return made[-1]

    yield make
    for each in made:
        each.close()


def seen(gateway: Gateway, name: str) -> dict[str, object]:
    """The certificate that a client is given, or nothing before there is one; pebble's root is new at each start."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=name) as wrapped,
        ):
            der = wrapped.getpeercert(binary_form=True) or b""
    except OSError:
        return {}
    reply = subprocess.run(
        ["openssl", "x509", "-inform", "der", "-noout", "-serial", "-ext", "subjectAltName", "-issuer"],
        input=der,
        capture_output=True,
        check=True,
    )
    return {"text": reply.stdout.decode(), "der": der}


NAME = socket.gethostname()
FIRST_CERTIFICATE = 200
"""Seconds. After an attempt that failed Caddy waits one minute, then two (certmagic's retryIntervals)."""


@pytest.mark.long  # the test below begins with a certificate for a name
@pytest.mark.parametrize("name", [NAME, "127.0.0.1"])
def test_a_name_and_a_bare_address_get_a_certificate(authority, engine, tmp_path, name):
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(folder, engine.port, tls=authority().tls(name))
    try:
        until(lambda: "Pebble" in str(seen(gateway, name).get("text", "")), FIRST_CERTIFICATE)
        assert name in str(seen(gateway, name)["text"])
    finally:
        gateway.close()


def test_a_certificate_is_renewed_without_a_restart(authority, engine, tmp_path):
    """One of a minute, by a Caddy that looks every five seconds in place of every ten minutes."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(folder, engine.port, renew_interval="5s", tls=authority(60).tls(NAME))
    process = gateway.process.pid
    try:
        until(lambda: "Pebble" in str(seen(gateway, NAME).get("text", "")), FIRST_CERTIFICATE)
        first = seen(gateway, NAME)["der"]
        until(lambda: seen(gateway, NAME).get("der", first) != first, FIRST_CERTIFICATE)
        assert gateway.process.pid == process
        assert gateway.process.poll() is None
    finally:
        gateway.close()


@pytest.mark.long  # test_ports.py does it with the step that says so
def test_a_port_for_the_proof_that_is_taken_is_named_in_the_log(authority, engine, tmp_path):
    folder = tmp_path / "gateway"
    folder.mkdir()
    tls = authority().tls(NAME)
    with socket.create_server(("127.0.0.1", tls.http_port)):
        gateway = Gateway(folder, engine.port, tls=tls)
        try:
            until(lambda: "could not get certificate" in (folder / "log").read_text(), 60)
        finally:
            gateway.close()
