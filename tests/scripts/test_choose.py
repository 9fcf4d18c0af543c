"""choose.py and sound.py: one quantization of many, all parts or none, and what headers show of foreign weights."""

import json
import struct
import sys

import pytest

from tests.paths import ROOT

sys.path.insert(0, str(ROOT / "components/models/files"))

from choose import choose, served_folder  # lie there for the machine
from folder import File
from sound import unsound

REPOSITORY = [
    "config.json", "README.md", "R1-Q2_K.gguf", "mmproj-F16.gguf",
    *(f"R1-Q4_K_M/R1-Q4_K_M-{n:05d}-of-00003.gguf" for n in (1, 2, 3)),
    *(f"R1-Q8_0/R1-Q8_0-{n:05d}-of-00004.gguf" for n in (1, 2, 4)),
]  # fmt: skip


def chosen(*patterns, paths=REPOSITORY):
    return [f.path for f in choose([File(p, 1) for p in paths], patterns, "some/R1-GGUF")]


@pytest.mark.parametrize("pattern", ["R1-Q4_K_M/*", "R1-Q4_K_M/", "*Q4_K_M*", "*Q4_K_M*.gguf"])
def test_one_quantization_and_nothing_else(pattern):
    assert chosen(pattern) == REPOSITORY[4:7]
    assert served_folder(chosen(pattern)) == "R1-Q4_K_M"


def test_several_patterns_and_a_plain_name():
    assert chosen("R1-Q2_K.gguf", "config.json", "mmproj-*") == ["config.json", "R1-Q2_K.gguf", "mmproj-F16.gguf"]
    assert served_folder(chosen("R1-Q2_K.gguf")) == "."


def test_a_repository_of_safetensors_is_taken_whole():
    paths = ["config.json", "model.safetensors", "a.gguf", "b.gguf"]
    assert chosen(paths=paths) == paths
    assert served_folder(paths) == "."


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (
            ["*Q4_K_S*"],
            "model.files: *Q4_K_S* matches no file of some/R1-GGUF; near it are R1-Q4_K_M/",
        ),
        (
            ["zzzzzz"],
            "model.files: zzzzzz matches no file of some/R1-GGUF; it holds R1-Q2_K.gguf, R1-Q4_K_M/, "
            "R1-Q4_K_M/R1-Q4_K_M-00001-of-00003.gguf, R1-Q4_K_M/R1-Q4_K_M-00002-of-00003.gguf, "
            "R1-Q4_K_M/R1-Q4_K_M-00003-of-00003.gguf, R1-Q8_0/ and 6 more",
        ),
        (
            ["*00002-of-00003.gguf"],
            "model.files chooses 1 of 3 parts of R1-Q4_K_M/R1-Q4_K_M, and an engine needs all; "
            "write R1-Q4_K_M/R1-Q4_K_M-*.gguf",
        ),
        (
            ["R1-Q8_0/"],
            "some/R1-GGUF lacks 1 of 4 parts of R1-Q8_0/R1-Q8_0 (R1-Q8_0/R1-Q8_0-00003-of-00004.gguf); use another",
        ),
        (
            ["*Q4_K_M*", "*Q2_K*"],
            "model.files chooses 2 GGUF models (R1-Q2_K.gguf, R1-Q4_K_M/R1-Q4_K_M-00001-of-00003.gguf), and an engine "
            "serves one; choose one with model.files, such as R1-Q2_K.gguf",
        ),
    ],
)
def test_a_choice_that_no_engine_can_serve_is_one_sentence(patterns, said):
    with pytest.raises(LookupError) as refused:
        chosen(*patterns)
    assert refused.value.args[0] == said


def test_a_repository_of_quantizations_asks_for_a_choice():
    with pytest.raises(LookupError, match=r"holds 2 GGUF models .*; choose one with model.files, such as R1-Q2_K.gguf"):
        chosen(paths=REPOSITORY[:7])


def tensors(size):
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def lay(folder, **files):
    for name, content in files.items():
        (folder / name.replace("__", ".").replace("_of_", "-of-").replace("_0", "-0")).write_bytes(content)
    return unsound(folder)


INDEX = json.dumps({"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}).encode()


def test_whole_weights_are_sound(tmp_path):
    assert lay(tmp_path, config__json=b"{}", x__safetensors=tensors(9), y__safetensors=tensors(0)) is None
    (tmp_path / "model.safetensors.index.json").write_bytes(INDEX)
    assert unsound(tmp_path) is None


def test_whole_gguf_is_sound_without_a_config(tmp_path):
    assert lay(tmp_path, m_00001_of_00002__gguf=b"GGUF1", m_00002_of_00002__gguf=b"GGUF2") is None


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds neither a config.json nor a GGUF file"),
        ({"x__safetensors": b"..."}, "holds neither a config.json nor a GGUF file"),
        (
            {"config__json": b"{}", "x__safetensors": tensors(9)[:-1]},
            rf"holds x.safetensors, which has {len(tensors(9)) - 1} bytes instead of {len(tensors(9))}",
        ),
        (
            {"config__json": b"{}", "x__safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"},
            "holds x.safetensors, which is no safetensors file (a git-lfs pointer, or cut short)",
        ),
        (
            {"config__json": b"{}", "x__safetensors": tensors(1), "m__safetensors__index__json": INDEX},
            "lacks y.safetensors, which m.safetensors.index.json names",
        ),
        ({"m_00001_of_00002__gguf": b"GGUF1"}, "lacks m-00002-of-00002.gguf, one of 2 parts"),
        ({"m__gguf": b"version https://git-lfs"}, "holds m.gguf, which is no GGUF file"),
    ],
)
def test_what_headers_show(tmp_path, files, said):
    assert lay(tmp_path, **files) == said
