"""Digests of default images: asked of a registry as Docker asks, written to one file, part of what machines pull.

The registry is the local one (localcloud/depot/registry.py), behind a server that asks for tokens as Docker Hub does.
"""

import hashlib
import json
import socket
import threading

import pytest

from localcloud.depot.registry import Registry
from localcloud.fixtures.images import write_images
from localcloud.http.messages import Response, as_json
from localcloud.http.server import Server
from stacks import versions
from stacks.load_settings import parse
from stacks.settings.executor import engine_version
from stacks.supply.registry import INDEXES, RegistryError, digest_of
from stacks.supply.renew import renew
from tests.support.settings import values

NAME = "tandem/vllm-cpu"


class Guarded(Server):
    """A registry that gives nothing without a token, and tokens to everybody, unless a test wants otherwise."""

    def __init__(self, layout):
        super().__init__(("127.0.0.1", 0), ("GET", "HEAD"))
        self.registry = Registry(layout)
        self.requests, self.tokens, self.scheme, self.silent = [], {"token": "t"}, "Bearer", False

    @property
    def host(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def answer(self, request):
        self.requests.append((request.method, request.path, dict(request.query), request.headers.get("accept", "")))
        if request.path == "/token":
            return as_json(self.tokens)
        if request.token != "t":  # noqa: S105  # the test's own
            realm = f'realm="http://{self.host}/token",service="here",scope="repository:{NAME}:pull"'
            return Response(401, headers={"WWW-Authenticate": f"{self.scheme} {realm}"})
        found = self.registry.answer(type(request)(request.method, request.path.removeprefix("/v2")))
        if not self.silent:
            return found
        kept = {name: value for name, value in found.headers.items() if name != "Docker-Content-Digest"}
        return Response(found.status, found.body, found.file, found.content_type, kept)


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "caddy").write_bytes(b"a program")
    layout = tmp_path / "layout"
    layout.mkdir()
    write_images(layout, tmp_path / "caddy")
    content = json.loads((layout / "index.json").read_text())
    several = json.dumps({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": content["manifests"][:1]}).encode()
    digest = hashlib.sha256(several).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(several)
    named = {"org.opencontainers.image.ref.name": f"{NAME}:several"}
    content["manifests"].append({"mediaType": INDEXES[0], "digest": f"sha256:{digest}", "annotations": named})
    (layout / "index.json").write_text(json.dumps(content))
    with Guarded(layout) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def test_a_tag_s_digest_is_the_index_s_with_a_token_and_without_a_pull(registry):
    digest = digest_of(f"{registry.host}/{NAME}:several")
    assert digest == registry.registry.tags[f"{NAME}:several"]
    methods = [method for method, path, *_ in registry.requests if path != "/token"]
    assert methods == ["HEAD", "HEAD"]
    _, _, query, _ = next(call for call in registry.requests if call[1] == "/token")
    assert query == {"service": "here", "scope": f"repository:{NAME}:pull"}
    assert all(kind in registry.requests[-1][3] for kind in INDEXES)


def test_a_registry_that_names_no_digest_has_its_manifest_hashed(registry):
    registry.silent = True
    assert digest_of(f"{registry.host}/{NAME}:several") == registry.registry.tags[f"{NAME}:several"]


@pytest.mark.parametrize(
    ("change", "tag", "said"),
    [
        ({}, "gone", "has no such tag; correct it in stacks/versions.py"),
        ({"scheme": "Basic"}, "several", "asks for a login; take an image that is public"),
        ({"tokens": {}}, "several", "gave no token; try again later"),
        ({"tokens": {"token": "x"}}, "several", "asks for a login; take an image that is public"),
    ],
)
def test_what_a_registry_does_not_give_is_one_sentence(registry, change, tag, said):
    for name, value in change.items():
        setattr(registry, name, value)
    with pytest.raises(RegistryError, match=said):
        digest_of(f"{registry.host}/{NAME}:{tag}")


def test_a_registry_that_does_not_answer_is_waited_for_only_so_long():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        host = f"127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(RegistryError, match=r"does not answer .*; run it where"):
            digest_of(f"{host}/a/b:1", seconds=0.2)
    with pytest.raises(RegistryError, match="does not answer"):
        digest_of(f"{host}/a/b:1")


def test_renewing_keeps_what_can_t_be_asked_and_drops_what_is_no_default(registry, tmp_path):
    here, gone = f"{registry.host}/{NAME}:several", f"{registry.host}/{NAME}:gone"
    file = tmp_path / "digests.json"
    (failure,) = renew([here, gone], {gone: "sha256:old", "of/before:1": None}, file)
    assert failure.startswith(gone)
    assert json.loads(file.read_text()) == {here: registry.registry.tags[f"{NAME}:several"], gone: "sha256:old"}


def test_every_default_image_has_its_line_and_none_is_left_over():
    assert set(versions.DIGESTS) == versions.default_images()
    assert versions.pulled_images() == {versions.pinned(image) for image in versions.default_images()}


def test_a_default_image_is_pulled_by_its_digest_and_one_of_one_s_own_as_it_is_written(monkeypatch):
    image, digest = "vllm/vllm-openai:v0.33.0", f"sha256:{'a' * 64}"
    monkeypatch.setitem(versions.DIGESTS, image, digest)
    assert versions.pinned(image) == f"{image}@{digest}"
    monkeypatch.setitem(versions.ENGINE_IMAGES, "vllm", versions.pinned(image))
    assert parse(values()).engine_image == f"{image}@{digest}"
    assert engine_version(parse(values()).engine_image) == (0, 33, 0)
    for own in ("vllm/vllm-openai:v0.33.0", "harbor.example:5000/mirror/vllm-openai:v0.33.0", f"a/b@{digest}"):
        assert parse(values(images={"engine": own})).engine_image == own


def test_a_build_for_processors_begins_with_a_pinned_image():
    assert "@sha256:" in versions.CPU_IMAGES["llamacpp"]
    assert versions.CPU_IMAGE_ARGUMENTS["llamacpp"]["DEVEL_IMAGE"] == versions.CPU_IMAGES["llamacpp"]
