"""The depot's protocols, without a socket."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.depot.faults import Fault, Faults
from localcloud.depot.huggingface import HuggingFace
from localcloud.depot.modelscope import ModelScope
from localcloud.depot.python_index import PythonIndex
from localcloud.depot.registry import Registry
from localcloud.depot.repository import Repository
from localcloud.depot.server import private
from localcloud.errors import LocalCloudError
from localcloud.fixtures.images import GATEWAY, NAMES, write_images
from localcloud.http.files import Files
from localcloud.http.messages import Cut, Request
from localcloud.http.ranges import byte_range, pieces


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    (tmp_path / "config.json").write_text('{"a": 1}\n')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "model.safetensors").write_bytes(b"weights" * 10)
    return Repository("some/model", tmp_path)


def get(path: str, token: str | None = None, **query: str) -> Request:
    return Request("GET", path, query, {"authorization": f"Bearer {token}"} if token else {})


class TestByteRange:
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            (None, None),
            ("bytes=0-", (0, 100)),
            ("bytes=10-19", (10, 20)),
            ("bytes=90-500", (90, 100)),
            ("bytes=-5", (95, 100)),
            ("lines=1-2", None),
        ],
    )
    def test_ranges_as_rfc_9110_has_them(self, header: str | None, expected: tuple[int, int] | None) -> None:
        assert byte_range(header, 100) == expected

    @pytest.mark.parametrize("header", ["bytes=100-", "bytes=20-10"])
    def test_outside_is_refused(self, header: str) -> None:
        with pytest.raises(ValueError, match="bytes"):
            byte_range(header, 100)


class TestFaults:
    def test_a_fault_hits_so_many_times_and_is_over(self) -> None:
        faults = Faults()
        faults.order(Fault("status", "*.bin", times=2))
        hits = [faults.strike("/a.bin", 0, 10) is not None for _ in range(3)]
        assert hits == [True, True, False]
        assert faults.listing() == []

    def test_a_cut_waits_for_the_answer_that_has_its_byte(self) -> None:
        faults = Faults()
        faults.order(Fault("cut", at=50))
        assert faults.strike("/x", 60, 100) is None, "a resumed transfer is past it"
        assert faults.strike("/x", 0, 0) is None, "HEAD has no body"
        assert faults.strike("/x", 0, 100) is not None

    def test_other_paths_are_spared(self) -> None:
        faults = Faults()
        faults.order(Fault("corrupt", "*00001*"))
        assert faults.strike("/model-00002.safetensors", 0, 10) is None

    @pytest.mark.parametrize(
        "wrong", [{"kind": "explode"}, {"kind": "cut", "times": 0}, {"kind": "status", "status": 200}]
    )
    def test_impossible_orders_are_refused(self, wrong: dict[str, object]) -> None:
        with pytest.raises(LocalCloudError, match=r"use one of|at least"):
            Fault(**wrong)  # type: ignore[arg-type]  # wrong on purpose

    def test_cut_and_corrupt_touch_exactly_the_byte_they_name(self, repository: Repository) -> None:
        answer = HuggingFace({"some/model": repository}).answer(get("/some/model/resolve/main/sub/model.safetensors"))
        body = Fault("cut", at=33).filter(pieces(answer))
        assert next(body) == (b"weights" * 10)[:33]
        with pytest.raises(Cut):
            next(body)
        written = b"".join(Fault("corrupt", at=12).filter(pieces(replace(answer, span=(10, 70)))))
        different = [i for i, (a, b) in enumerate(zip(written, (b"weights" * 10)[10:], strict=True)) if a != b]
        assert different == [2]


class TestHuggingFace:
    def test_metadata_has_checksums(self, repository: Repository) -> None:
        answer = HuggingFace({"some/model": repository}).answer(get("/api/models/some/model", blobs="True"))
        info = json.loads(answer.body)
        files = {entry["rfilename"]: entry for entry in info["siblings"]}
        assert files["sub/model.safetensors"]["lfs"]["sha256"] == hashlib.sha256(b"weights" * 10).hexdigest()
        assert "lfs" not in files["config.json"]
        assert len(info["sha"]) == 40

    def test_git_blob_ids_are_git_s(self, repository: Repository) -> None:
        # `printf '{"a": 1}\n' | git hash-object --stdin`
        expected = hashlib.sha1(b'blob 9\0{"a": 1}\n', usedforsecurity=False).hexdigest()
        assert repository.files["config.json"].git_sha1 == expected

    @pytest.mark.parametrize(
        ("path", "token", "status", "code"),
        [
            ("/api/models/no/model", None, 401, "RepoNotFound"),
            ("/api/models/no/model", "t", 404, "RepoNotFound"),
            ("/api/models/some/model/revision/v9", None, 404, "RevisionNotFound"),
            ("/some/model/resolve/main/none.bin", None, 404, "EntryNotFound"),
            ("/gated/model/resolve/main/config.json", None, 401, "GatedRepo"),
            ("/gated/model/resolve/main/config.json", "wrong", 403, "GatedRepo"),
        ],
    )
    def test_refusals_carry_the_code_that_the_client_reads(
        self, repository: Repository, path: str, token: str | None, status: int, code: str
    ) -> None:
        gated = Repository("gated/model", repository.folder, token="right")  # noqa: S106  # a test's own
        answer = HuggingFace({"some/model": repository, "gated/model": gated}).answer(get(path, token))
        assert (answer.status, answer.headers["X-Error-Code"]) == (status, code)

    def test_the_right_token_opens_a_gated_model(self, repository: Repository) -> None:
        gated = Repository("gated/model", repository.folder, token="right")  # noqa: S106  # a test's own
        assert HuggingFace({"gated/model": gated}).answer(get("/gated/model/resolve/main/config.json", "right")).file


def test_modelscope_lists_sizes_and_sums_and_refuses_unknown_revisions(repository: Repository) -> None:
    hub = ModelScope({"some/model": repository})
    listed = json.loads(hub.answer(get("/api/v1/models/some/model/repo/files", Revision="master")).body)
    sums = {entry["Path"]: (entry["Size"], entry["Sha256"]) for entry in listed["Data"]["Files"]}
    assert sums["sub/model.safetensors"] == (70, hashlib.sha256(b"weights" * 10).hexdigest())
    assert hub.answer(get("/api/v1/models/some/model/repo/files", Revision="v9")).status == 404


class TestImages:
    @pytest.fixture
    def caddy(self, tmp_path_factory) -> Path:
        """What stands for the program: the layout is the same for any bytes."""
        program: Path = tmp_path_factory.mktemp("program") / "caddy"
        program.write_bytes(b"a program")
        return program

    def test_the_same_bytes_each_time(self, tmp_path: Path, caddy: Path) -> None:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            write_images(tmp_path / name, caddy)
        assert (tmp_path / "a/index.json").read_bytes() == (tmp_path / "b/index.json").read_bytes()

    def test_every_name_is_pulled_by_tag_and_by_digest(self, tmp_path: Path, caddy: Path) -> None:
        write_images(tmp_path, caddy)
        registry = Registry(tmp_path)
        for full in (*NAMES, GATEWAY):
            name, _, tag = full.partition(":")
            by_tag = registry.answer(get(f"/{name}/manifests/{tag}"))
            digest = by_tag.headers["Docker-Content-Digest"]
            assert by_tag.file
            assert digest == f"sha256:{hashlib.sha256(by_tag.file.read_bytes()).hexdigest()}"
            assert registry.answer(get(f"/{name}/manifests/{digest}")).file == by_tag.file
            manifest = json.loads(by_tag.file.read_bytes())
            for part in (manifest["config"], *manifest["layers"]):
                blob = registry.answer(get(f"/{name}/blobs/{part['digest']}"))
                assert blob.size == part["size"]

    def test_unknown_things_are_refused_in_the_registry_s_words(self, tmp_path: Path, caddy: Path) -> None:
        write_images(tmp_path, caddy)
        registry = Registry(tmp_path)
        for path, code in (
            ("/tandem/gateway/manifests/none", "MANIFEST_UNKNOWN"),
            ("/tandem/gateway/blobs/sha256:00", "BLOB_UNKNOWN"),
            ("/tandem/gateway/blobs/sha256:../../index.json", "NAME_UNKNOWN"),
        ):
            answer = registry.answer(get(path))
            assert (answer.status, json.loads(answer.body)["errors"][0]["code"]) == (404, code)


def test_python_index_links_wheels_with_their_sums(tmp_path: Path) -> None:
    (tmp_path / "Some_Thing-1.0-py3-none-any.whl").write_bytes(b"wheel")
    index = PythonIndex(tmp_path)
    page = index.answer(get("/simple/some-thing/")).body.decode()
    assert f"../../files/Some_Thing-1.0-py3-none-any.whl#sha256={hashlib.sha256(b'wheel').hexdigest()}" in page
    assert index.answer(get("/files/../secret")).status == 404


def test_static_files_stay_in_their_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    (tmp_path / "secret").write_text("s")
    static = Files(tmp_path / "in")
    assert static.answer(get("/a")).file
    assert static.answer(get("/../secret")).status == 404


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1", True), ("10.77.0.11", True), ("100.64.77.1", True), ("8.8.8.8", False)]
)
def test_faults_are_ordered_from_private_addresses_only(address: str, expected: bool) -> None:
    assert private(address) is expected
