"""A page in Chromium calls the gateway over TLS; the browser trusts the stack's authority and nothing else of it."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.engine import RunningEngine
from tests.support.gateway import KEY, PAIR, Gateway
from tests.support.waiting import until

CHROMIUM, CERTUTIL = shutil.which("chromium") or "", shutil.which("certutil") or ""
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and CERTUTIL), reason="needs Chromium and certutil: apt-get install chromium libnss3-tools"
)
WORDS = "word word word "


@pytest.fixture
def engine():
    running = RunningEngine()
    yield running
    running.close()


@pytest.fixture
def page():
    """The page's own server and what the page sent it."""
    found: queue.Queue[dict] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

        def answer(self, body: bytes):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            self.answer((Path(__file__).parent / "gateway_page.html").read_bytes())

        def do_POST(self):
            found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(b"")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", found
    server.shutdown()
    server.server_close()


@pytest.fixture
def browser(tmp_path):
    """Opens an address in a Chromium with a home of its own."""
    store = tmp_path / ".pki/nssdb"
    store.mkdir(parents=True)
    (tmp_path / "ca.pem").write_text(PAIR.authority)
    words = ["-d", f"sql:{store}"]
    subprocess.run([CERTUTIL, *words, "-N", "--empty-password"], check=True)
    trusted = ["-A", "-n", "tandem", "-t", "C,,", "-i", tmp_path / "ca.pem"]
    subprocess.run([CERTUTIL, *words, *trusted], check=True)
    opened: list[subprocess.Popen] = []

    def browse(address: str) -> None:
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
        alone = ["--disable-background-networking", "--disable-component-update", "--no-proxy-server"]
        own = [f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0"]  # it stays until it is ended
        with (tmp_path / "log").open("wb") as log:
            opened.append(
                subprocess.Popen(
                    [CHROMIUM, *quiet, *alone, *own, address],
                    env={**os.environ, "HOME": str(tmp_path)},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    yield browse
    for each in opened:
        each.terminate()
        each.wait(20)


def test_a_page_does_all_that_a_client_does_from_an_origin_that_is_let_in(tmp_path, engine, page, browser):
    origin, found = page
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(folder, engine.port, cors_origins=(origin,))
    target = {"url": f"https://127.0.0.1:{gateway.port}/v1", "key": KEY}
    try:
        browser(f"{origin}/#{quote(json.dumps(target))}")
        assert found.get(timeout=60) == {
            "chat": WORDS,
            "stream": WORDS,
            "abort": "closed",
            "wrong key": "invalid_api_key",
            "wrong key, image": 401,
            "image": WORDS,
            "tools": "look",
            "request id": True,
        }
        until(lambda: engine.cancelled)
    finally:
        gateway.close()


def test_a_page_of_another_origin_gets_nothing(tmp_path, engine, page, browser):
    origin, found = page
    folder = tmp_path / "gateway"
    folder.mkdir()
    gateway = Gateway(folder, engine.port, cors_origins=("https://app.example",))
    target = {"url": f"https://127.0.0.1:{gateway.port}/v1", "key": KEY}
    try:
        browser(f"{origin}/#{quote(json.dumps(target))}")
        assert set(found.get(timeout=60).values()) == {"TypeError: Failed to fetch"}
        assert not engine.requests
    finally:
        gateway.close()
