"""select_files.py and integrity.py: one quantization of many, all parts or none, and what headers show."""

import json
import struct
import sys

import pytest

from tests.support.paths import ROOT

sys.path.insert(0, str(ROOT / "components/weights/files"))

from folder import File
from integrity import check_files, check_listing
from select_files import left_out, model_folder, select_files  # lie there for the machine

REPOSITORY = [
    "config.json",
    "README.md",
    "R1-Q2_K.gguf",
    "mmproj-F16.gguf",
    *(f"R1-Q4_K_M/R1-Q4_K_M-{n:05d}-of-00003.gguf" for n in (1, 2, 3)),
    *(f"R1-Q8_0/R1-Q8_0-{n:05d}-of-00004.gguf" for n in (1, 2, 4)),
]


def chosen(*patterns, paths=REPOSITORY):
    return [f.path for f in select_files([File(p, 1) for p in paths], patterns, "some/R1-GGUF")]


@pytest.mark.parametrize("pattern", ["R1-Q4_K_M/*", "R1-Q4_K_M/", "*Q4_K_M*", "*Q4_K_M*.gguf"])
def test_one_quantization_and_nothing_else(pattern):
    assert chosen(pattern) == REPOSITORY[4:7]
    assert model_folder(chosen(pattern)) == "R1-Q4_K_M"


def test_several_patterns_and_a_plain_name():
    assert chosen("R1-Q2_K.gguf", "config.json", "mmproj-*") == ["config.json", "R1-Q2_K.gguf", "mmproj-F16.gguf"]
    assert model_folder(chosen("R1-Q2_K.gguf")) == "."


def test_where_both_are_there_the_engines_own_format_is_taken():
    paths = ["config.json", "model.safetensors", "a.gguf", "b.gguf"]
    assert chosen(paths=paths) == paths[:2]
    assert model_folder(paths[:2]) == "."
    assert chosen("*", paths=paths) == paths, "named, they are fetched"
    files = [File(p, 1) for p in paths]
    assert [f.path for f in select_files(files, ["!b.gguf"], "some/model", "gguf")] == ["config.json", "a.gguf"]
    with pytest.raises(LookupError, match="holds 2 GGUF models"):
        select_files(files, [], "some/model", "gguf")


SIZES = {
    "config.json": 500,
    "README.md": 9000,
    "tokenizer.json": 9_000_000,
    "tokenizer.bin": 5000,
    "model-00001-of-00002.safetensors": 5_000_000_000,
    "model-00002-of-00002.safetensors": 3_000_000_000,
    "model.safetensors.index.json": 30_000,
    "pytorch_model-00001-of-00001.bin": 8_000_000_000,
    "pytorch_model.bin.index.json": 30_000,
    "original/consolidated.00.pth": 8_000_000_000,
    "original/params.json": 300,
    "consolidated.safetensors": 8_000_000_000,
    "onnx/model.onnx": 9_000_000,
    "onnx/model.onnx_data": 16_000_000_000,
    "onnx/model_q4.onnx_data": 30_000_000_000,
    "tf_model.h5": 8_000_000_000,
    "flax_model.msgpack": 8_000_000_000,
    "2_Dense/model.safetensors": 10,
    "2_Dense/pytorch_model.bin": 10,
    "3_Dense/pytorch_model.bin": 10,
}


def of(*names: str) -> list[File]:
    return [File(name, SIZES.get(name, 1000)) for name in names]


def test_the_same_weights_are_fetched_once():
    """Of six copies one; what merely looks like one, or has no other, stays."""
    taken = [f.path for f in select_files(of(*SIZES), [], "some/model")]
    assert taken == [
        "config.json",
        "README.md",
        "tokenizer.json",
        "tokenizer.bin",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "2_Dense/model.safetensors",
        "3_Dense/pytorch_model.bin",
    ]
    said = left_out(of(*SIZES), of(*taken), "some/model")
    assert said.startswith("some/model holds its weights more than once; left out: 8 GB PyTorch .bin (pytorch_model-")
    assert "left out: 46 GB ONNX (onnx/model.onnx, onnx/model.onnx_data and 1 more)" in said
    assert "left out: 8 GB original/ (original/consolidated.00.pth, original/params.json)" in said
    assert "also fetched" not in said
    whole = left_out(of(*SIZES), of(*SIZES), "some/model")
    assert "also fetched: 8 GB consolidated safetensors" in whole and "left out" not in whole


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["pytorch_model.bin", "rust_model.ot", "config.json"], ["rust_model.ot"]),  # PyTorch's where nothing else is
        (["adapter_model.safetensors", "pytorch_model.bin"], []),  # an adapter is no copy of a model
        (["consolidated.safetensors", "params.json", "model.safetensors"], []),  # two engines' own
        (["consolidated.safetensors", "params.json"], []),
        (["onnx/model.onnx", "config.json"], []),  # the only one
        (["original/model.safetensors", "config.json"], []),
        (["vae/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.bin", "model_index.json"], []),
    ],
)
def test_what_is_no_second_copy_stays(names, left):
    assert [n for n in names if n not in {f.path for f in select_files(of(*names), [], "some/model")}] == left


def test_weights_that_are_much_smaller_are_no_copy():
    files = [File("model.safetensors", 10), File("pytorch_model.bin", 8_000_000_000)]
    assert select_files(files, [], "some/model") == files


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["!onnx/*"], ["a.json", "b.json"]),
        (["!*.json", "b.json"], ["b.json", "onnx/m.onnx"]),
        (["*.json", "!onnx/"], ["a.json", "b.json"]),
        (["!onnx/", "onnx/c.json"], ["a.json", "b.json", "onnx/c.json"]),
        (["*", "!a.json"], ["b.json", "onnx/c.json", "onnx/m.onnx"]),
    ],
)
def test_the_last_pattern_that_matches_decides(patterns, expected):
    assert chosen(*patterns, paths=["a.json", "b.json", "onnx/c.json", "onnx/m.onnx"]) == expected


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (["!orignal/*"], r"model.files: !orignal/\* matches no file of some/R1-GGUF; near it are original/"),
        (["!*"], r"model.files leaves no file of some/R1-GGUF; take out one of !\*"),
    ],
)
def test_a_pattern_that_leaves_out_nothing_or_all_is_reported(patterns, said):
    with pytest.raises(LookupError, match=said):
        chosen(*patterns, paths=["config.json", "original/x.pth"])


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
    with pytest.raises(LookupError) as caught:
        chosen(*patterns)
    assert caught.value.args[0] == said


def test_a_repository_of_quantizations_asks_for_a_choice():
    with pytest.raises(LookupError, match=r"holds 2 GGUF models .*; choose one with model.files, such as R1-Q2_K.gguf"):
        chosen(paths=REPOSITORY[:7])


def tensors(size):
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def lay(folder, **files):
    for name, content in files.items():
        (folder / name.replace("__", ".").replace("_of_", "-of-").replace("_0", "-0")).write_bytes(content)
    return check_files(folder)


INDEX = json.dumps({"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}).encode()


def test_whole_weights_are_sound(tmp_path):
    assert lay(tmp_path, config__json=b"{}", x__safetensors=tensors(9), y__safetensors=tensors(0)) is None
    (tmp_path / "model.safetensors.index.json").write_bytes(INDEX)
    assert check_files(tmp_path) is None


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


@pytest.mark.parametrize(
    ("names", "kept", "said"),
    [
        (["config.json", "model.safetensors"], None, None),
        (["params.json", "consolidated.safetensors"], None, None),
        (["a.gguf"], None, None),
        (["model.safetensors"], None, "holds neither a config.json nor a GGUF file, so no engine can serve it"),
        (["adapter_config.json", "adapter_model.safetensors"], None, "is an adapter and no model; set model.id to"),
        (["config.json", "model.safetensors"], ["model.safetensors"], "is useless without config.json, which"),
        (["config.json", "m-00001-of-00002.safetensors"], None, "has 1 of 2 files like m-00001-of-00002."),
        (
            ["config.json", "m-00001-of-00002.bin", "m-00002-of-00002.bin"],
            ["config.json", "m-00001-of-00002.bin"],
            "is chosen in part by model.files: 1 of 2 files like m-00001-of-00002.bin; take all",
        ),
        (["config.json", "m-00000-of-00002.safetensors", "m-00001-of-00002.safetensors"], None, None),
    ],
)
def test_what_a_list_shows(names, kept, said):
    """Before a byte is fetched."""
    shown = check_listing(of(*names), of(*(kept or names)), alone=True)
    assert (shown is None) if said is None else str(shown).startswith(said), shown


def test_weights_without_a_byte_are_seen_in_the_list():
    files = [File("config.json", 2), File("model.safetensors", 0)]
    assert str(check_listing(files, files, alone=True)).startswith(
        "has model.safetensors with no bytes in it; use another"
    )


def test_what_belongs_to_a_model_needs_no_config():
    files = of("adapter_config.json", "adapter_model.safetensors")
    assert check_listing(files, files, alone=False) is None
