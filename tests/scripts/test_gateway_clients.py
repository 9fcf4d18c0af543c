"""Client packages that people use, as they come from the indexes, against the real gateway before a stand-in engine.

Each does a chat, a stream, an aborted stream, a wrong key, an image of 20 MB and a tool, and raises its own exceptions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from localcloud.fixtures.uv import find_uv
from localcloud.system.cache import key_of, made_once
from localcloud.system.programs import run
from tests.support.gateway import KEY, PAIR, Gateway
from tests.support.paths import ROOT
from tests.support.waiting import until

CLIENTS = ROOT / "tests/scripts/clients"
LOCK = CLIENTS / "requirements.lock"
NODE = [CLIENTS / name for name in ("package.json", "package-lock.json", ".npmrc")]
VENV = ("venv", "-q", "--relocatable", "--python", "3.11")  # it is moved once it is whole
WORDS = "word word word "
SAME = {
    "chat": WORDS,
    "stream": WORDS,
    "abort": "closed",
    "wrong key": "AuthenticationError",
    "wrong key, image": "AuthenticationError",
    "image": WORDS,
    "tools": "look",
}
WANTED = {
    "openai": {**SAME, "no such path": "NotFoundError", "request id": True},
    "anthropic": {**SAME, "count": 3, "bearer": WORDS},
    "litellm": SAME,
    # Its own class, below openai's.
    "langchain": {**SAME, **dict.fromkeys(("wrong key", "wrong key, image"), "OpenAIAuthenticationError")},
    "httpx": {
        "chat": WORDS,
        "stream": "[DONE]",
        "abort": "closed",
        "chunked": WORDS,
        "wrong key": 401,
        "wrong key, image": 401,
        "image": WORDS,
    },
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory, engine):
    made = Gateway(tmp_path_factory.mktemp("gateway"), engine.port, cors_origins=("https://app.example",))
    yield made
    made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    file.write_text(PAIR.authority)
    return file


@pytest.fixture(scope="module")
def python() -> Path:
    def make(folder: Path, log: Path) -> None:
        run(find_uv(), *VENV, folder / "venv", log=log)
        interpreter = folder / "venv/bin/python"
        run(find_uv(), "pip", "install", "-q", "--python", interpreter, "--require-hashes", "-r", LOCK, log=log)

    return Path(made_once("gateway-clients", key_of(LOCK.read_text(), *VENV), make)) / "venv/bin/python"


def environment(authority: Path, **more: str) -> dict[str, str]:
    """Nothing of the tests' own but the stack's authority, as a user would name it."""
    trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"), str(authority))
    return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **trusted, "NO_PROXY": "*", **more}


@pytest.mark.parametrize("client", list(WANTED))
def test_a_client_does_all_it_can_and_raises_its_own_exceptions(python, gateway, engine, authority, client):
    before = len(engine.cancelled)
    done = subprocess.run(
        [python, ROOT / "tests/scripts/gateway_clients.py", client],
        input=json.dumps({"url": f"https://127.0.0.1:{gateway.port}/v1", "key": KEY}),
        env=environment(authority, LITELLM_LOCAL_MODEL_COST_MAP="True"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == WANTED[client]
    until(lambda: len(engine.cancelled) > before)


def test_curl_sends_a_file_it_does_not_know_the_length_of(gateway, engine, authority):
    body = json.dumps({"max_tokens": 2})
    done = subprocess.run(
        [
            "curl",
            "--silent",
            "--show-error",
            "--cacert",
            authority,
            "-H",
            f"Authorization: Bearer {KEY}",
            "-X",
            "POST",
            "-T",
            "-",
            f"https://127.0.0.1:{gateway.port}/v1/chat/completions",
        ],
        input=body,
        env=environment(authority),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "word word ", done.stderr
    assert engine.requests[-1]["bytes"] == len(body)


@pytest.fixture(scope="module")
def node() -> Path:
    if shutil.which("npm") is None:
        pytest.skip("needs npm")

    def make(folder: Path, log: Path) -> None:
        for file in NODE:
            shutil.copy(file, folder)
        run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefix", folder, log=log)

    return made_once("gateway-node-clients", key_of(*(file.read_text() for file in NODE)), make)


def test_openai_node_and_a_fetch_as_pages_do_it(node, gateway, engine, authority):
    """Node's fetch with the headers of a page; a browser would ask by OPTIONS before, which Node leaves to us."""
    before = len(engine.cancelled)
    script = ROOT / "tests/scripts/gateway_clients.mjs"
    done = subprocess.run(
        ["node", script, node / "node_modules/openai/index.mjs"],
        input=json.dumps({"url": f"https://127.0.0.1:{gateway.port}/v1", "key": KEY}),
        env=environment(authority),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        **SAME,
        "fetch preflight": 204,
        "fetch stream": WORDS,
        "fetch wrong key": 401,
        "fetch chunked": WORDS,
    }
    until(lambda: len(engine.cancelled) > before)
