"""safe_paths.py, and what fetch.py does with it: whatever a hub lists, bytes lie below one folder or nowhere."""

from __future__ import annotations

import json
import os
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.depot.repository import Repository, RepositoryFile
from tests.scripts.hub import MODEL, Hub, hub_of
from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "components/weights/files"))

from folder import MANIFEST  # lie there for the machine
from safe_paths import Inside, Outside, alike, check_names, refused_name

PARTS = st.one_of(
    st.sampled_from(["..", ".", "", ".git", ".GIT", "a", "sub", "link", "..a", "a\\b", "~", "-rf", ".tandem-part"]),
    st.text(alphabet=string.printable + "é\u0301\u2028\x00\udc80", max_size=6),
)
PATHS = st.builds("/".join, st.lists(PARTS, min_size=1, max_size=6))


def outside(root: Path, folder: Path) -> dict[str, bytes]:
    """Everything below `root` that is not below `folder`, links as links."""
    found = {}
    for above, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(above) / name
            if folder not in (path, *path.parents):
                found[str(path)] = b"link" if path.is_symlink() else path.read_bytes() if path.is_file() else b"folder"
    return found


@given(paths=st.lists(PATHS, min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_whatever_is_listed_lies_below_the_folder_or_nowhere(tmp_path_factory, paths):
    """Names that are let through are written there, and nothing else on the storage is touched."""
    root = tmp_path_factory.mktemp("storage")
    folder = root / "models/some--model"
    (root / "elsewhere").mkdir()
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(root / "elsewhere")
    before = outside(root, folder)
    try:
        check_names(paths, "hub")
    except LookupError as caught:
        assert str(caught).startswith("hub lists ") and "\n" not in str(caught) and str(caught).isprintable()
        return
    inside = Inside(folder)
    for path in paths:
        assert refused_name(path) is None
        try:
            with os.fdopen(inside.open(path, os.O_WRONLY | os.O_CREAT), "wb") as stream:
                stream.write(b"weights")
        except Outside as caught:
            assert "link" in path.split("/")
            assert str(caught).startswith(f"{folder}/link is a link to {root}/elsewhere, and weights are written below")
        else:
            assert (folder / path).read_bytes() == b"weights"
            assert (folder / path).resolve().is_relative_to(folder.resolve())
    assert outside(root, folder) == before


EVIL = [
    "../../../x",
    "/abs/x",
    "a/../../x",
    "sub/..",
    "./x",
    "a//b",
    "x/",
    "",
    "..",
    "a\\..\\..\\x",
    "a\nb",
    "a\0b",
    "a\x1bb",
    ".git/config",
    "sub/.GIT/hooks/x",
    ".tandem-weights.json",
    "x.safetensors.tandem-part",
    "x" * 300,
    "d/" * 1500 + "x",
]


def entry(repository: Repository, path: str) -> None:
    """One more line in what the hub lists, with the bytes of its config.json."""
    known = repository.files["config.json"]
    repository.files[path] = RepositoryFile(path, known.file, known.size, known.sha256, known.git_sha1)


@pytest.fixture
def hub(tmp_path: Path):
    (model := tmp_path / "model").mkdir()
    (model / "config.json").write_text("{}")
    (model / "m.gguf").write_bytes(b"GGUF and more")
    with hub_of(tmp_path, [Repository(MODEL, model)]) as running:
        yield running


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
def test_no_hub_writes_outside(hub: Hub, tmp_path: Path, source):
    """One sentence with hub and path, and nothing is written; a choice of files makes no difference."""
    entry(hub.depot.repositories[MODEL], "config2.json")
    for path in EVIL:
        hub.depot.repositories[MODEL].files.pop("config2.json", None)
        entry(hub.depot.repositories[MODEL], path)
        done = hub.fetch(source, files=("*.gguf",))
        del hub.depot.repositories[MODEL].files[path]
        assert done.code == 1, path
        assert done.message.startswith(f"{hub.base}/{'hf' if source == 'huggingface' else source} ({MODEL}) lists "), (
            path
        )
        assert done.message.endswith("nothing was written; use another repository (model.id) or hub (model.endpoint)")
        assert "\n" not in done.message and "Traceback" not in done.log
        assert [*hub.storage.rglob("*")] == [], path
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["sub", "sub/x.json"], "lists 'sub' as a file and as a folder"),
        ([7], "lists 7, which is no name"),
        (["x" * 4000], "which is longer than a file system takes"),
        (["a", "a"], "lists 'a', it names twice"),
    ],
)
def test_names_that_cannot_lie_beside_each_other(paths, said):
    with pytest.raises(LookupError) as caught:
        check_names(paths, "hub")
    assert said in str(caught.value)


def test_names_that_some_storages_take_for_one():
    assert alike(["README.md", "readme.md", "caf\u00e9", "cafe\u0301", "b"]) == [
        ("README.md", "readme.md"),
        ("caf\u00e9", "cafe\u0301"),
    ]


def test_a_storage_that_tells_them_apart_gets_both(hub: Hub):
    for path in ("Readme.json", "readme.json"):
        entry(hub.depot.repositories[MODEL], path)
    assert hub.fetch().code == 0
    assert {p.name for p in hub.folder().iterdir()} == {
        "Readme.json",
        "readme.json",
        "config.json",
        "m.gguf",
        MANIFEST,
    }


@pytest.mark.parametrize("where", ["", "sub", "sub/x.json.tandem-part", MANIFEST + ".new"])
def test_a_link_laid_on_the_storage_leads_nowhere(hub: Hub, tmp_path: Path, where):
    """In place of the folder, of one below it, of an unfinished file, of the manifest."""
    entry(hub.depot.repositories[MODEL], "sub/x.json")
    (target := tmp_path / "elsewhere").mkdir()
    (target / "file").write_text("untouched")
    link = hub.folder() / where
    link.parent.mkdir(parents=True)
    link.symlink_to(target if where in ("", "sub") else target / "file")
    done = hub.fetch()
    assert done.message == (
        f"{link} is a link to {link.resolve()}, and weights are written below {hub.storage} only; "
        "remove it there, then run `pulumi up` again"
    )
    assert [p.name for p in target.iterdir()] == ["file"] and (target / "file").read_text() == "untouched"


def test_a_link_in_place_of_a_file_gives_way_to_the_file(hub: Hub, tmp_path: Path):
    (elsewhere := tmp_path / "elsewhere").write_text("{}")
    hub.folder().mkdir(parents=True)
    (hub.folder() / "config.json").symlink_to(elsewhere)
    assert hub.fetch().code == 0
    assert not (hub.folder() / "config.json").is_symlink()
    assert elsewhere.read_text() == "{}"


def test_a_manifest_of_somebody_else_removes_nothing(hub: Hub, tmp_path: Path):
    """Weights verified before are verified by it when the hub is away; a wrong file is removed then."""
    (victim := tmp_path / "victim").write_text("precious")
    hub.folder().mkdir(parents=True)
    line = {"path": f"../../../{victim.name}", "size": 1, "sha256": "0" * 64, "git_sha1": None}
    (hub.folder() / MANIFEST).write_text(json.dumps({"revision": "x", "files": [line]}))
    hub.depot.shutdown()
    hub.depot.server_close()
    done = hub.fetch(more={"DOWNLOAD_TRIES": "1"})
    assert f"{hub.folder() / MANIFEST} lists '../../../victim', which is no path inside the folder" in done.message
    assert victim.read_text() == "precious"


def git(bare: Path, *words: str, stdin: str = "") -> str:
    who = {f"GIT_{r}_{w}": "x@localhost" for r in ("AUTHOR", "COMMITTER") for w in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words],
        input=stdin,
        env={**os.environ, **who, "GIT_DIR": str(bare)},
        text=True,
        capture_output=True,
        check=True,
    )
    return done.stdout.strip()


def link_in_git(hub: Hub, name: str, target: str) -> None:
    """A commit on top of the repository's own, with one more link."""
    assert hub.fetch("git-lfs").code == 0
    part: Any = hub.depot.parts["git"]
    bare = part.__self__._made[MODEL]
    blob = git(bare, "hash-object", "-w", "--stdin", stdin=target)
    git(bare, "read-tree", "main")
    git(bare, "update-index", "--add", "--cacheinfo", f"120000,{blob},{name}")
    commit = git(bare, "commit-tree", git(bare, "write-tree"), "-p", "main", "-m", "link")
    git(bare, "update-ref", "refs/heads/main", commit)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../x", "none.json"])
def test_a_link_in_git_that_leads_outside_is_refused(hub: Hub, target):
    link_in_git(hub, "sub/link.json", target)
    message = hub.fetch("git-lfs").message
    assert message.startswith(f"{hub.base}/git/{MODEL}.git holds 'sub/link.json', a link to '")
    assert "which is no file of the repository; nothing was written" in message


def test_a_link_in_git_is_the_file_it_stands_for(hub: Hub):
    link_in_git(hub, "sub/link.gguf.json", "../config.json")
    assert hub.fetch("git-lfs").code == 0
    there = hub.folder("git-lfs") / "sub/link.gguf.json"
    assert there.read_text() == "{}" and not there.is_symlink()


def test_no_revision_is_an_option_of_git(hub: Hub, tmp_path: Path):
    """The settings refuse it; the script by itself gives it to git as a revision."""
    ran = tmp_path / "ran"
    done = hub.fetch("git-lfs", revision=f"--upload-pack=touch {ran};false")
    assert done.code == 1 and not ran.exists()
