"""Open WebUI itself, from its package, before an engine of the test's own: the login that `pulumi up` tries.

1.5 GB are installed once, and it starts in half a minute: long. Its torch, which only documents need, is left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from components.webui.files import login_probe
from components.webui.webui import FILES, INNER_PORT, WebUiArgs, render_environment
from localcloud.fixtures.uv import find_uv
from localcloud.system.cache import key_of, made_once
from localcloud.system.programs import run
from stacks.versions import WEBUI_PACKAGES

pytestmark = pytest.mark.long

PASSWORD, MODEL = "it's a pass$word", "tiny-qwen2"
VENV = ("venv", "-q", "--relocatable", "--python", "3.11")  # it is moved once it is whole
LEFT_OUT = "".join(f"{name}; sys_platform == 'never'\n" for name in ("torch", "sentence-transformers", "accelerate"))


class Engine(BaseHTTPRequestHandler):
    """A list of models; the engine's own port asks for no key."""

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        known = self.path == "/v1/models"
        body = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}] if known else []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def make(folder: Path, log: Path) -> None:
    (folder / "left-out.txt").write_text(LEFT_OUT)
    uv = find_uv()
    run(uv, *VENV, folder / "venv", log=log)
    words: list[str | Path] = [
        "--python",
        folder / "venv/bin/python",
        "--override",
        folder / "left-out.txt",
        *WEBUI_PACKAGES,
    ]
    run(uv, "pip", "install", "-q", *words, log=log)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    programs = made_once("open-webui", key_of(*WEBUI_PACKAGES, LEFT_OUT, *VENV), make) / "venv/bin"
    engine = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("webui")
    args = WebUiArgs("", engine.server_address[1], "admin@localhost", PASSWORD)
    (folder / "env").write_text(render_environment(args, PASSWORD, "s" * 48))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["bash", FILES / "webui.sh", folder / "env"],
            env={"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "DATA_DIR": str(folder / "data")},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    yield {"url": f"http://127.0.0.1:{INNER_PORT}", "model": MODEL, "email": "admin@localhost", "password": PASSWORD}
    process.terminate()
    process.wait(30)
    engine.shutdown()


def test_the_account_of_the_settings_logs_in_and_sees_the_model(page):
    assert login_probe.login(page) == MODEL


def test_another_password_is_reported_at_once(page):
    with pytest.raises(login_probe.Failure, match="the page refuses admin@localhost"):  # type: ignore[attr-defined]  # as the probe imports it
        login_probe.login({**page, "password": "x" * 12})


def test_nobody_signs_up_and_nobody_is_let_in_without_a_login(page):
    body = json.dumps({"email": "x@y.z", "password": "x" * 12, "name": "x"}).encode()
    for path, sent, code in (("/api/v1/auths/signup", body, 403), ("/api/models", None, 401)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            login_probe._fetch(page["url"] + path, "", sent)
        assert caught.value.code == code


def test_a_model_that_is_not_served_is_named(page, monkeypatch):
    monkeypatch.setattr(login_probe, "LOGIN_SECONDS", 1)
    with pytest.raises(login_probe.Failure, match=f"the model is not in its list \\({MODEL}\\)"):  # type: ignore[attr-defined]  # as the probe imports it
        login_probe.login({**page, "model": "another"})
