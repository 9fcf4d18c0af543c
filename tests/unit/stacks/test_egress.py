"""Proxies, authorities and registries: refused in a sentence, declared as machines and Docker's provider want them."""

from __future__ import annotations

import base64
import gzip
import io
import json
import shlex
import subprocess
import tarfile
from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict

from components.host.egress import with_password
from stacks.deployment import deploy
from stacks.egress import registry_of
from stacks.image_disk import image_gib
from stacks.load_settings import parse
from stacks.settings.registry import registry_problems
from tests.support.graph import Answers, Recorder
from tests.support.settings import refusal, values

MARK = "4dabf18193072939515e22adb298388d"  # how the engine marks a secret


def plain(value: Any) -> Any:
    """Without the engine's marks of secrets."""
    if isinstance(value, dict):
        return plain(value["value"]) if MARK in value and "value" in value else {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def declared(tmp_path, *, registry=None, proxy=None, **changes):
    """What the engine receives for each resource, with marks of secrets."""
    key, known = tmp_path / "key", tmp_path / "known_hosts"
    key.write_text("PRIVATE")
    known.write_text("10.0.0.1 ssh-ed25519 AAAA\n10.0.0.2 ssh-ed25519 AAAA\n")
    given = values(ssh={"privateKeyFile": str(key), "knownHostsFile": str(known)}, **changes)
    settings = parse(given)
    monitor = Recorder(Answers())
    pulumi.runtime.set_mocks(Answers(), project="tandem", stack="t", monitor=monitor)

    def secret(text):
        return None if text is None else pulumi.Output.secret(text)

    @pulumi.runtime.test
    async def run():
        outputs = await deploy(
            settings, api_key=None, hub_token=None, registry_password=secret(registry), proxy_password=secret(proxy)
        )
        return pulumi.Output.all(**outputs)

    run()
    return {name: MessageToDict(request.object) for name, request in monitor.seen.items()}


def environment_of(resource) -> dict[str, str]:
    """A step's environment."""
    raw = io.BytesIO(gzip.decompress(base64.b64decode(plain(resource)["stdin"].split("\n", 1)[1])))
    with tarfile.open(fileobj=raw) as archive:
        env = archive.extractfile("env")
        assert env is not None
        text = env.read().decode()
    return dict(word.split("=", 1) for word in shlex.split(text))


PROXIED = {"httpProxy": "http://me@proxy.example:3128", "noProxy": "10.0.0.0/8, .example"}


def test_a_proxy_reaches_every_machine_before_anything_is_fetched_and_its_password_no_state(tmp_path):
    seen = declared(tmp_path, mirrors={**PROXIED, "pip": "http://10.9.0.1/simple"}, proxy="p@ss/w")
    for name in ("a", "b"):
        step = environment_of(seen[f"{name}-egress-run"])
        assert step["HTTPS_PROXY_URL"] == step["HTTP_PROXY_URL"] == "http://me:p%40ss%2Fw@proxy.example:3128"
        assert step["INSIDE"] == "10.0.0.1,10.0.0.2,nas,10.9.0.1,10.0.0.0/8,.example"
        assert step["DIRECT"] == "10.9.0.1,10.0.0.0/8,.example"
    assert "p%40ss" not in json.dumps({n: {**r, "stdin": ""} for n, r in seen.items()})
    assert MARK in seen["a-egress-run"]["stdin"]


def test_nothing_is_done_where_nothing_is_said(tmp_path):
    seen = declared(tmp_path)
    assert not [name for name in seen if "egress" in name]
    assert "registryAuth" not in seen["a-docker"]


def test_a_registrys_login_is_the_providers_and_secret(tmp_path):
    images = {"engine": "harbor.example/ai/vllm:1", "registryAuth": {"address": "harbor.example", "username": "robot"}}
    seen = declared(tmp_path, images=images, registry="hunter2hunter2")
    auth = plain(seen["a-docker"])["registryAuth"]
    wanted = [{"address": "harbor.example", "username": "robot", "password": "hunter2hunter2"}]
    assert (json.loads(auth) if isinstance(auth, str) else auth) == wanted
    assert MARK in seen["a-docker"]["registryAuth"]
    others = {n: r for n, r in seen.items() if not n.endswith("-docker")}
    assert "hunter2" not in json.dumps(plain(others))


def test_each_registry_has_its_own_password_and_docker_hub_its_own_name(tmp_path):
    logins = [{"address": "docker.io", "username": "me"}, {"address": "10.0.0.9:5000", "username": "you"}]
    secret = json.dumps({"docker.io": "one", "10.0.0.9:5000": "two"})
    seen = declared(tmp_path, images={"registryAuth": logins}, registry=secret)
    auth = plain(seen["a-docker"])["registryAuth"]
    found = json.loads(auth) if isinstance(auth, str) else auth
    assert {(a["address"], a["password"]) for a in found} == {("registry-1.docker.io", "one"), ("10.0.0.9:5000", "two")}


@pytest.fixture
def authority(tmp_path):
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    subprocess.run([*run, "-keyout", tmp_path / "k", "-out", tmp_path / "ca.pem"], check=True, capture_output=True)
    return tmp_path / "ca.pem"


def test_an_authority_is_known_for_every_registry_that_may_show_it(tmp_path, authority):
    images = {"engine": "harbor.example/ai/vllm:1", "gateway": "nginx:1.28"}
    mirrors = {"caFile": str(authority), "registryMirrors": ["https://mirror.example:5000"]}
    step = environment_of(declared(tmp_path, images=images, mirrors=mirrors)["b-egress-run"])
    assert {"harbor.example", "mirror.example:5000"} <= set(step["AUTHORITY_HOSTS"].split())
    assert step["PROXIES"] == ""
    text = {"ca": authority.read_text()}
    assert parse(values(mirrors=text)).mirrors.authority == parse(values(mirrors=mirrors)).mirrors.authority


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mirrors": {"httpProxy": "proxy:3128"}}, "mirrors.httpProxy: is no proxy's URL; write http://HOST:PORT"),
        ({"mirrors": {"httpProxy": "socks5://p:1"}}, "is no proxy's URL"),
        ({"mirrors": {"httpProxy": "http://p:1/x"}}, "is no proxy's URL"),
        ({"mirrors": {"httpProxy": "http://p:1\nX=1"}}, "httpProxy: holds a line end"),
        (
            {"mirrors": {"httpsProxy": "http://u:pw@p:1"}},
            "mirrors.httpsProxy: holds a password in clear; write http://u@p:1 and give it by `pulumi config set",
        ),
        ({"mirrors": {"noProxy": "a"}}, "mirrors: noProxy: there is no proxy"),
        ({"mirrors": {"httpProxy": "http://p:1", "noProxy": ["a b"]}}, "mirrors.noProxy: 'a b' is no name"),
        ({"mirrors": {"caFile": "/nowhere/ca.pem"}}, "caFile: /nowhere/ca.pem can't be read (No such file"),
        ({"mirrors": {"ca": "no certificate"}}, "ca: holds no certificates that TLS can use"),
        ({"mirrors": {"ca": "x", "caFile": "y"}}, "ca and caFile: both give certificates"),
        ({"images": {"registryAuth": {"address": "https://h/x", "username": "u"}}}, "images.registryAuth[0].address"),
        ({"images": {"registryAuth": {"address": "h.example"}}}, "images.registryAuth[0].username: is missing"),
        (
            {"images": {"registryAuth": [{"address": "h", "username": "u"}, {"address": "h", "username": "v"}]}},
            "images.registryAuth: two logins for h",
        ),
        ({"images": {"registryAuth": {"address": "h", "username": "u", "password": "p"}}}, "no such setting"),
    ],
)
def test_what_leads_nowhere_is_refused(changes, expected):
    message = refusal(**changes)
    assert expected in message
    assert "pw@" not in message


@pytest.mark.parametrize(
    ("addresses", "password", "says"),
    [
        (["h"], "word", ""),
        (["h"], '{"h": "word"}', ""),
        (["h", "g"], '{"h": "a", "g": "b"}', ""),
        ([], None, ""),
        (["h"], None, "has no password for h"),
        (["h", "g"], "word", "give an object with each address"),
        (["h", "g"], '{"h": "a"}', "has no password for g"),
        ([], "word", "there is no images.registryAuth"),
    ],
)
def test_logins_and_their_passwords_belong_together(addresses, password, says):
    logins = parse(
        values(images={"registryAuth": [{"address": a, "username": "u"} for a in addresses]})
    ).images.registry_auth
    said = registry_problems(logins, password)
    assert bool(said) == bool(says)
    assert says in "".join(said)


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("nginx:1.28", ""),
        ("vllm/vllm-openai:v1", ""),
        ("harbor.example/a/b:1", "harbor.example"),
        ("10.0.0.1:5000/x@sha256:00", "10.0.0.1:5000"),
        ("localhost/x", "localhost"),
    ],
)
def test_an_image_names_its_registry(image, registry):
    assert registry_of(image) == registry


@pulumi.runtime.test
def test_a_proxy_without_a_user_gets_no_password():
    def check(url):
        assert url == "http://proxy:1"

    return with_password("http://proxy:1", "secret").apply(check)


@pytest.mark.parametrize(
    ("changes", "gib"),
    [
        ({"accelerator": {"kind": "cpu"}}, 10),
        ({"accelerator": {"kind": "nvidia"}}, 45),
        ({"accelerator": {"kind": "nvidia"}, "images": {"diskGib": 90}}, 90),
    ],
)
def test_an_engines_image_takes_room(changes, gib):
    assert image_gib(parse(values(**changes))) == gib
