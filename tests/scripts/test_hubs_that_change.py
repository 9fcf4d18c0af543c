"""fetch.py and hubs that are no longer what their list said, and mirrors that send on to another host."""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from components.weights import WeightsArgs
from components.weights.weights import environment
from tests.scripts.hub import FILES, TOKEN, Fetched, ended

COMMIT = "c" * 40


def weights(byte: bytes) -> bytes:
    """A safetensors file of a thousand such bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [1000], "data_offsets": [0, 1000]}}).encode()
    return struct.pack("<Q", len(header)) + header + 1000 * byte


OLD = {"README.md": b"old\n", "config.json": b'{"a": 1}', "model.safetensors": weights(b"o")}


@dataclass
class Server:
    """Answers by a function of path and headers: status, headers, body; Range as hubs do."""

    answer: Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes]]
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(*servers: Server) -> Iterator[None]:
    running = []
    for server in servers:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            hub = server

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                headers = {k.lower(): v for k, v in self.headers.items()}
                self.hub.requests.append((self.path, headers))
                status, more, body = self.hub.answer(self.path, headers)
                if status == 200 and (wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", headers.get("range", ""))):
                    start, end = int(wanted[1]), min(int(wanted[2]), len(body) - 1)
                    status = 206 if start < len(body) else 416
                    more = {**more, "Content-Range": f"bytes {start}-{end}/{len(body)}"}
                    body = body[start : end + 1]
                self.send_response(status)
                for name, value in {**more, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.port = httpd.server_address[1]
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append(httpd)
    try:
        yield
    finally:
        for httpd in running:
            httpd.shutdown()
            httpd.server_close()


def fetch(tmp_path: Path, source: str, endpoint: str, model: str = "some/model", token: str = "") -> Fetched:
    args = WeightsArgs(source, model, None, endpoint, str(tmp_path / "storage"), stall_seconds=2)
    (home := tmp_path / "machine").mkdir()
    variables = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | environment(args)
    variables |= {"TANDEM_DIR": str(home), "HUB_TOKEN": token, "DOWNLOAD_TRIES": "3", "PYTHONDONTWRITEBYTECODE": "1"}
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, str(FILES / "fetch.py")],
            env={**variables, "no_proxy": "*"},
            stdout=log,
            stderr=log,
            text=True,
        )
    return ended(process, home)


def there(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "storage/models/some--model"
    return {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".tandem")}


def modelscope(
    listed: Callable[[], dict[str, bytes]], given: Callable[[str, str], bytes | None]
) -> Callable[[str, dict[str, str]], tuple[int, dict[str, str], bytes]]:
    """`listed`: the branch's files now; `given`: a file's bytes by revision and path, None for 404."""

    def answer(path: str, _: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        query = {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
        if "/repo/files" in path:
            files = [
                {"Path": n, "Type": "blob", "Size": len(d), "Sha256": hashlib.sha256(d).hexdigest(), "Revision": COMMIT}
                for n, d in listed().items()
            ]
            return 200, {}, json.dumps({"Code": 200, "Data": {"Files": files}}).encode()
        found = given(query["Revision"], query["FilePath"])
        return (404, {}, b"{}") if found is None else (200, {}, found)

    return answer


def test_files_are_asked_for_by_their_own_commits(tmp_path):
    """The branch has moved before the first file is asked for: all are still those of the list."""
    moved = dict.fromkeys(OLD, b"moved")
    hub = Server(modelscope(lambda: OLD, lambda rev, path: OLD[path] if rev == COMMIT else moved[path]))
    with serving(hub):
        done = fetch(tmp_path, "modelscope", hub.url)
    assert done.code == 0, done.message
    assert there(tmp_path) == OLD


def test_a_mirror_that_knows_no_commits_is_asked_for_the_branch(tmp_path):
    hub = Server(modelscope(lambda: OLD, lambda rev, path: OLD[path] if rev == "master" else None))
    with serving(hub):
        assert fetch(tmp_path, "modelscope", hub.url).code == 0
    assert there(tmp_path) == OLD


@pytest.mark.parametrize("new", [b"new\n", b"new and longer\n", b"n"])
def test_a_readme_that_changed_stops_nothing(tmp_path, new):
    """Of the same size, longer and shorter; reported, and left out."""
    hub = Server(modelscope(lambda: OLD, lambda _, path: new if path == "README.md" else OLD[path]))
    with serving(hub):
        done = fetch(tmp_path, "modelscope", hub.url)
    assert done.code == 0, done.message
    assert there(tmp_path) == {name: data for name, data in OLD.items() if name != "README.md"}
    assert "note='README.md of some/model changed on the hub while it came down, and is left out'" in done.result


def moving(name: str, new: bytes) -> Server:
    """A hub without commits, whose branch gets another file once somebody asks for one."""
    now = dict(OLD)

    def given(revision: str, path: str) -> bytes | None:
        if revision != "master":
            return None
        now[name] = new
        return now[path]

    return Server(modelscope(lambda: dict(now), given))


@pytest.mark.parametrize("new", [weights(b"n"), weights(b"n") + b"more", b"less"])
def test_weights_that_changed_are_reported(tmp_path, new):
    hub = moving("model.safetensors", new)
    with serving(hub):
        done = fetch(tmp_path, "modelscope", hub.url)
    assert done.message == (
        "model.safetensors of some/model changed on the hub while it came down; run `pulumi up` again for the newer "
        "weights, or set model.revision to a commit or tag, which doesn't move"
    )


def test_a_config_that_changed_is_taken_and_reported(tmp_path):
    hub = moving("config.json", b'{"a": 2, "b": 3}')
    with serving(hub):
        done = fetch(tmp_path, "modelscope", hub.url)
    assert done.code == 0, done.message
    assert there(tmp_path) == {**OLD, "config.json": b'{"a": 2, "b": 3}'}
    assert "config.json of some/model is newer than its weights: the branch moved" in done.result


def test_a_hub_that_gives_other_bytes_than_it_lists_is_named(tmp_path):
    hub = Server(modelscope(lambda: OLD, lambda _, path: b"short" if path == "config.json" else OLD[path]))
    with serving(hub):
        done = fetch(tmp_path, "modelscope", hub.url)
    assert done.message == (
        "config.json has 5 bytes on the hub, whose list had 8 after downloading it twice; the hub or the storage "
        "alters bytes"
    )


def huggingface(elsewhere: str | None = None, wants: str = "") -> Callable[..., tuple[int, dict[str, str], bytes]]:
    """Renamed from old/model; files lie at `elsewhere`, or here for who shows the token."""

    def answer(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if "/old/" in path:
            return 307, {"Location": path.replace("/old/", "/some/")}, b""
        if path.startswith("/api/models/"):
            files = [
                {"rfilename": n, "size": len(d), "lfs": {"sha256": hashlib.sha256(d).hexdigest()}}
                for n, d in OLD.items()
            ]
            return 200, {}, json.dumps({"sha": COMMIT, "siblings": files}).encode()
        if elsewhere:
            return 302, {"Location": elsewhere + path}, b""
        if wants and headers.get("authorization") != f"Bearer {wants}":
            return 401, {"X-Error-Code": "GatedRepo"}, b""
        assert f"/{COMMIT}/" in path
        return 200, {}, OLD[path.rpartition("/")[2]]

    return answer


def test_a_renamed_repository_is_followed_with_the_token(tmp_path):
    hub = Server(huggingface(wants=TOKEN))
    with serving(hub):
        assert fetch(tmp_path, "huggingface", hub.url, "old/model", TOKEN).code == 0
    assert {headers.get("authorization") for _, headers in hub.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_a_mirror_that_sends_on_a_gated_model_to_who_wants_the_token(tmp_path, token):
    """The token stays with the host it was given for; the sentence says which setting gives it to the other."""
    last = Server(huggingface(wants=TOKEN))
    with serving(last):
        mirror = Server(huggingface(elsewhere=last.url))
        with serving(mirror):
            done = fetch(tmp_path, "huggingface", mirror.url, token=token)
    both = "" if token else ", and hubToken"
    assert done.message == (
        f"some/model is gated: {mirror.url} sends on to {last.url}, which wants a token, and hubToken is sent to the "
        f"host of model.endpoint only; set model.endpoint to {last.url}{both}"
    )
    assert last.requests and all("authorization" not in headers for _, headers in last.requests)
    assert all(name.endswith(".tandem-part") and not held for name, held in there(tmp_path).items())


def test_a_mirror_that_sends_on_to_signed_addresses(tmp_path):
    last = Server(huggingface())
    with serving(last):
        mirror = Server(huggingface(elsewhere=last.url))
        with serving(mirror):
            assert fetch(tmp_path, "huggingface", mirror.url, token=TOKEN).code == 0
    assert all("authorization" not in headers for _, headers in last.requests)


def test_a_token_that_the_hub_refuses(tmp_path):
    hub = Server(huggingface(wants="another"))
    with serving(hub):
        done = fetch(tmp_path, "huggingface", hub.url, token=TOKEN)
    assert done.message == (
        "some/model is gated, and the hub refuses hubToken: accept its licence there with the token's own account"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"7",
        b'{"siblings": [7]}',
        b'{"siblings": [{"size": 1}]}',
        b"<html>",
        b'{"siblings": [{"rfilename": "a", "size": -1}]}',
        b'{"siblings": [{"rfilename": "a", "size": "1"}]}',
        b'{"siblings": [{"rfilename": "a", "lfs": 5}]}',
    ],
)
def test_a_list_that_is_none_is_one_sentence(tmp_path, body):
    with serving(hub := Server(lambda *_: (200, {}, body))):
        done = fetch(tmp_path, "huggingface", hub.url)
    assert re.match(
        r"the hub did not answer for some/model \(ValueError: |the hub did not answer .*JSONDecode", done.message
    )
    assert "Traceback" not in done.log
