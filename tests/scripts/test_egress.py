"""egress.sh: proxies and authorities of a machine, for its steps and for Docker's own pulls, and back."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from components.machine.payload import FILES
from tests.scripts.native_step import Step

PROXY = "http://user:p%40ss'w%24rd@proxy.example:3128"


class Machine(Step):
    """A machine whose systemctl is a stand-in: it notes what it is asked, and Docker runs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.etc = folder / "etc"
        self.calls = folder / "asked"
        self.program("systemctl", f'echo "$*" >>{self.calls}')


@pytest.fixture
def step(tmp_path):
    return Machine(tmp_path)


def outside(step, **variables):
    base = {
        "PROXIES": "",
        "INSIDE": "",
        "DIRECT": "",
        "AUTHORITY": "",
        "AUTHORITY_HOSTS": "",
        "OWN": "yes",
        "CONTAINERS": "yes",
        "HTTP_PROXY_URL": "",
        "HTTPS_PROXY_URL": "",
        "ETC": str(step.etc),
    }
    return step.run("egress", **{**base, **variables})


def through(**changes):
    return {
        "PROXIES": "http=http://user@proxy.example:3128",
        "HTTP_PROXY_URL": PROXY,
        "HTTPS_PROXY_URL": PROXY,
        "INSIDE": "10.0.0.1,10.0.0.2,nas,registry",
        "DIRECT": "registry",
        **changes,
    }


def next_step(step, text):
    """What a later step of the same stack sees."""
    script = step.home / "later.sh"
    script.write_text(f'. "$TANDEM_DIR/lib.sh"\n{text}\n')
    found, error = step.run(script)
    assert not error
    return found


def undone(step):
    """What cleanup.sh runs, with the stand-in of systemctl."""
    for line in reversed((step.home / "undo").read_text().splitlines()):
        environment = {**os.environ, "PATH": f"{step.programs}:{os.environ['PATH']}"}
        subprocess.run(["bash", "-c", line], check=True, env=environment)


def test_later_steps_go_by_the_proxy_and_not_to_the_machines(step):
    assert outside(step, **through())[0] == {"proxy": "yes", "authority": ""}
    seen = next_step(
        step, 'result "http=$(printf %q "$http_proxy")" "https=$(printf %q "$HTTPS_PROXY")" "none=$no_proxy"'
    )
    assert (seen["http"], seen["https"]) == (PROXY, PROXY)
    assert {"10.0.0.1", "10.0.0.2", "nas", "registry", "127.0.0.1", "localhost"} <= set(seen["none"].split(","))
    assert (step.home / "egress.env").stat().st_mode & 0o077 == 0


def test_docker_is_restarted_once_for_a_proxy_and_keeps_its_password_from_others(step):
    outside(step, **through())
    folder = step.etc / "systemd/system/docker.service.d"
    (unit,) = folder.glob("*.conf")
    (variables,) = folder.glob("*.env")
    assert unit.read_text() == f"[Service]\nEnvironmentFile={variables}\n"
    assert variables.read_text().splitlines() == [
        f"HTTP_PROXY={PROXY}",
        f"HTTPS_PROXY={PROXY}",
        "NO_PROXY=localhost,127.0.0.1,::1,registry",
    ]
    assert variables.stat().st_mode & 0o077 == 0
    assert step.calls.read_text().splitlines() == ["daemon-reload", "is-active --quiet docker", "restart docker"]
    outside(step, **through(INSIDE="10.0.0.1,10.0.0.2,10.0.0.3,nas,registry"))
    assert len(step.calls.read_text().splitlines()) == 3, "one more machine is nothing to Docker"
    outside(step)
    assert not list(folder.iterdir())
    assert step.calls.read_text().splitlines()[3:] == ["daemon-reload", "is-active --quiet docker", "restart docker"]


def test_what_was_set_goes_with_the_stack(step):
    outside(step, **through(AUTHORITY="PEM", AUTHORITY_HOSTS="registry.example:5000"))
    mine = step.etc / "docker/certs.d/registry.example:5000/ca.crt"
    mine.write_text("mine")
    undone(step)
    assert [p for p in step.etc.rglob("*") if p.is_file()] == [mine]
    assert step.calls.read_text().splitlines()[-2:] == ["daemon-reload", "try-restart docker"]


def test_a_machine_that_is_lent_has_only_its_steps_reported(step):
    outside(step, **through(OWN="no", CONTAINERS="no", AUTHORITY="PEM"))
    assert not step.etc.exists()
    assert not step.calls.exists()
    assert next_step(step, 'result "ca=$SSL_CERT_FILE"')["ca"] == str(step.home / "authorities.pem")


@pytest.fixture
def private_server(tmp_path):
    """A server whose certificate an authority of the test's own has signed: its address, and the authority's text."""
    folder = tmp_path / "authority"
    folder.mkdir()
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key", "-out", f"{folder}/cert"]
    subprocess.run([*run, *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/", (folder / "cert").read_text()
    server.shutdown()


def test_an_authority_of_ones_own_is_believed_by_curl_and_python_and_the_usual_ones_still_are(step, private_server):
    url, authority = private_server
    words = (
        'say() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }\n'
        f'result "curl=$(say curl --fail --silent {url})" '
        f'"python=$(say python3 -c \'import urllib.request; urllib.request.urlopen("{url}")\')" '
        '"usual=$(grep -c BEGIN.CERT "${CURL_CA_BUNDLE:-/dev/null}" || true)"'
    )
    assert next_step(step, words).items() >= {"curl": "no", "python": "no"}.items()
    outside(step, AUTHORITY=authority, AUTHORITY_HOSTS="localhost:5000")
    seen = next_step(step, words)
    assert (seen["curl"], seen["python"]) == ("yes", "yes")
    usual = Path("/etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERT")
    assert int(seen["usual"]) == usual + 1
    assert "BEGIN CERT" in (step.etc / "docker/certs.d/localhost:5000/tandem-stack.crt").read_text()


def test_a_process_of_runtime_native_gets_no_proxy_that_its_own_environment_does_not_name(step):
    """gRPC between ranks would go by it."""
    outside(step, **through())
    for name in ("process_supervisor.py", "process.sh"):
        (step.dir / name).write_bytes((FILES / name).read_bytes())
    spec = (
        '{"argv": ["bash", "-c", "env >$HOME_/seen; sleep 60"], "path": [], "renames": {}, "owner": "stack-test", '
        f'"environment": {{"HOME_": "{step.home}", "https_proxy": "http://given:1"}}}}'
    )
    (step.dir / "spec.json").write_text(spec)
    (step.dir / "files").mkdir()
    found, error = step.run(FILES / "process.sh", PROCESS="p")
    try:
        assert not error
        seen: dict[str, str] = {}
        while "OLDPWD" not in seen and "PWD" not in seen:
            text = (step.home / "seen").read_text() if (step.home / "seen").exists() else ""
            seen = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        assert {k: v for k, v in seen.items() if k.lower() in ("http_proxy", "https_proxy")} == {
            "https_proxy": "http://given:1"
        }
    finally:
        folder = step.home / "processes/p"
        subprocess.run(["python3", folder / "process_supervisor.py", "stop", folder], check=True)
    assert found["id"]
