"""folder.py: what is wrong with a folder of weights is found by its bytes."""

import hashlib
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "components/weights/files"))

from folder import File, read_manifest, write_manifest, wrong_files  # lies there for the machine

DATA = bytes(range(256)) * 100


@pytest.fixture
def model(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(DATA)
    (tmp_path / "config.json").write_bytes(b"{}")
    return tmp_path, [
        File("a.safetensors", len(DATA), sha256=hashlib.sha256(DATA).hexdigest()),
        File("config.json", 2, git_sha1=hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()),
    ]


def reasons(folder, files):
    return {f.path: reason for f, reason in wrong_files(folder, files, lambda n: None)}


def test_right_bytes_are_right(model):
    assert reasons(*model) == {}


def test_one_flipped_bit_is_found(model):
    folder, files = model
    (folder / "a.safetensors").write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert "checksum differs" in reasons(folder, files)["a.safetensors"]


def test_a_short_file_is_found_without_reading_it(model):
    folder, files = model
    (folder / "a.safetensors").write_bytes(DATA[:-5])
    assert "bytes instead of" in reasons(folder, files)["a.safetensors"]


def test_a_changed_small_file_of_a_git_hub_is_found(model):
    folder, files = model
    (folder / "config.json").write_bytes(b"[]")
    assert "checksum differs" in reasons(folder, files)["config.json"]


def test_a_missing_file_is_found(model):
    folder, files = model
    (folder / "config.json").unlink()
    assert reasons(folder, files) == {"config.json": "is missing"}


def test_every_byte_read_is_reported(model):
    folder, files = model
    seen: list[int] = []
    list(wrong_files(folder, files, seen.append))
    assert sum(seen) == len(DATA) + 2


def test_a_manifest_verifies_without_the_hub(model):
    folder, files = model
    write_manifest(folder, files, "abc")
    assert read_manifest(folder) == ("abc", files)


@pytest.mark.parametrize("file", ["config.json", "model.gguf", None])
def test_a_folder_put_there_by_hand_holds_a_model_of_some_engine(tmp_path, file):
    """A GGUF file is whole by itself: llama.cpp and Ollama need no config.json."""
    (tmp_path / "weights").mkdir()
    if file:
        (tmp_path / "weights" / file).write_text("GGUF")
    variables = {"SOURCE": "path", "MODEL_ID": "weights", "REVISION": "", "ENDPOINT": "", "STALL_SECONDS": "1"}
    variables |= {"TANDEM_DIR": str(tmp_path), "FOLDER": str(tmp_path / "weights")}
    (tmp_path / "folder.py").write_text((ROOT / "components/weights/files/folder.py").read_text())
    fetch = ROOT / "components/weights/files/fetch.py"
    done = subprocess.run([sys.executable, fetch], env={**os.environ, **variables}, capture_output=True, check=False)
    assert (done.returncode == 0) == bool(file), done.stderr
    said = tmp_path / ("result" if file else "error")
    assert ("folder=" if file else "neither a config.json nor a GGUF file") in said.read_text()
