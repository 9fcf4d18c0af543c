"""The real Caddy before a stand-in engine, as the gateway's own step and command start it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.gateway import Config, Tls
from components.gateway.caddy import render
from components.gateway.certificate import make_pair
from components.gateway.gateway import FILES
from localcloud.fixtures import ensure_caddy
from tests.support.waiting import free_port

KEY, OTHER = "k.y" * 16, "o~r" * 16
PAIR = make_pair("s" * 48, "tandem-test", ["127.0.0.1", "localhost"])
TLS = Tls("given", PAIR.certificate, PAIR.key, name="127.0.0.1")


class Gateway:
    """One Caddy.

    Args:
        folder: its own.
        engine_port: where the engine is.
        files: how many it may open; None for as many as the tests may.
        renew_interval: how often it looks at its certificates, as a Go duration; none for Caddy's ten minutes.
        changed: settings beside the tests' own.
    """

    def __init__(
        self, folder: Path, engine_port: int, *, files: int | None = None, renew_interval: str = "", **changed: Any
    ) -> None:
        self.folder, self.files, self.renew_interval = folder, files, renew_interval
        port = changed.pop("port", 0) or free_port()
        keys = changed.pop("keys", {"default": KEY, "other": OTHER})
        self.config = Config(keys=keys, port=port, engine_port=engine_port, **{"tls": TLS, **changed})
        self.configure()
        self.start()

    def start(self) -> None:
        limit = ["prlimit", f"--nofile={self.files}"] if self.files else []
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*limit, ensure_caddy(), "run", "--config", self.folder / "config.json"],
            env={
                "XDG_CONFIG_HOME": str(self.folder / "data"),
                "XDG_DATA_HOME": str(self.folder / "data"),
                "PATH": os.environ["PATH"],
            },
            stdout=self.log,
            stderr=self.log,
        )
        deadline = time.monotonic() + 20
        while not self.listens():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def configure(self, **changed: Any) -> str:
        """Gives it its configuration by the step's own program; what that says against it."""
        self.config = replace(self.config, **changed)
        rendered = render(self.config)
        if self.renew_interval:
            rendered["apps"]["tls"]["automation"]["renew_interval"] = self.renew_interval
        return self.load(json.dumps(rendered))

    def load(self, text: str) -> str:
        root = self.config.tls.root
        done = subprocess.run(
            [sys.executable, FILES / "configure.py", self.folder, self.folder, "", root],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr.strip()

    @property
    def port(self) -> int:
        return self.config.port

    def listens(self, port: int = 0) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port or self.port)) == 0

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=PAIR.authority)

    def connection(self, port: int = 0, source: str = "") -> http.client.HTTPConnection:
        place, own = ("127.0.0.1", port or self.port), (source, 0) if source else None
        if self.config.tls.mode == "none":
            return http.client.HTTPConnection(*place, timeout=60, source_address=own)
        return http.client.HTTPSConnection(*place, timeout=60, context=self.context, source_address=own)

    def ask(
        self,
        path: str,
        key: str | None = KEY,
        method: str = "GET",
        body: Any = None,
        port: int = 0,
        *,
        source: str = "",
        **headers: str,
    ) -> Any:
        """An answer, with its body in `text`; `source` is the address that it is asked from."""
        connection = self.connection(port, source)
        given = {"Authorization": f"Bearer {key}"} if key is not None else {}
        data = json.dumps(body) if isinstance(body, dict) else body
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, data, {**given, **more})
        reply = connection.getresponse()
        reply.text = reply.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return reply

    def socket(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        return plain if self.config.tls.mode == "none" else self.context.wrap_socket(plain, server_hostname="127.0.0.1")

    def raw(self, text: bytes) -> bytes:
        """All that comes back for bytes that no client library would send."""
        with self.socket() as connection:
            connection.sendall(text)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def lines(self) -> list[dict[str, Any]]:
        """The access log."""
        found = []
        for line in (self.folder / "log").read_text().splitlines():
            written = json.loads(line)
            if written.get("logger", "").startswith("http.log.access"):
                found.append(written)
        return found

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()


class Gateways:
    """Those that a test makes, ended with it."""

    def __init__(self, folder: Path, engine_port: int) -> None:
        self.folder, self.engine_port = folder, engine_port
        self.made: list[Gateway] = []

    def __enter__(self) -> Gateways:
        return self

    def __call__(self, **changed: Any) -> Gateway:
        folder = self.folder / str(len(self.made))
        folder.mkdir()
        self.made.append(Gateway(folder, changed.pop("engine_port", self.engine_port), **changed))
        return self.made[-1]

    def __exit__(self, *_: object) -> None:
        for each in self.made:
            each.close()


def send_stream(gateway: Gateway, **options: Any) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """A chat that is streamed: its connection and its answer, of which nothing is read."""
    connection = gateway.connection()
    body = json.dumps({"stream": True, "max_tokens": 3, **options})
    connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
    return connection, connection.getresponse()
