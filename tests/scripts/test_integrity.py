"""What a hub has is looked at before the large files come, and again when they are there: a sentence, no engine."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from localcloud.depot.repository import Repository
from tests.scripts.hub import Fetched, hub_of

NAME = "some/odd"
OTHER = "use another revision or repository (model.revision, model.id)"
CONFIG = {"config.json": b"{}"}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 4000000000\n"
INDEX = json.dumps({"weight_map": {f"l{n}": f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)}}).encode()


def tensors(size: int) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def fetched(tmp_path: Path, source: str, held: dict[str, bytes], **options: object) -> tuple[Fetched, int]:
    """How the script ended, and how many bytes of files larger than a page were sent."""
    (folder := tmp_path / "repository").mkdir()
    for name, content in held.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    with hub_of(tmp_path, [Repository(NAME, folder)]) as hub:
        done = hub.fetch(source, NAME, **options)
        large = sum(
            int(str(r["bytes"]))
            for r in hub.requests()
            if int(str(r["bytes"])) > 4096 and "upload-pack" not in str(r["path"])
        )
    assert "Traceback" not in done.log
    return done, large


@pytest.mark.parametrize("source", ["huggingface", "modelscope", "git-lfs"])
def test_an_index_that_names_a_shard_which_is_not_there(tmp_path, source):
    files = {**CONFIG, "model.safetensors.index.json": INDEX}
    files |= {f"model-0000{n}-of-00003.safetensors": tensors(9000) for n in (1, 2)}
    done, large = fetched(tmp_path, source, files)
    assert done.message.endswith(
        f"{NAME}{'.git' if source == 'git-lfs' else ''} lacks model-00003-of-00003.safetensors, which "
        f"model.safetensors.index.json names; {OTHER}"
    )
    assert large == 0, "none of the large ones was fetched"


@pytest.mark.parametrize(
    ("files", "said", "large"),
    [
        ({**CONFIG, "model.safetensors": POINTER, "z.bin": bytes(9000)}, "has a git-lfs pointer in place of model", 0),
        ({**CONFIG, "pytorch_model.bin": POINTER}, "has a git-lfs pointer in place of pytorch_model.bin", 0),
        ({**CONFIG, "model.safetensors": b""}, "has model.safetensors with no bytes in it", 0),
        ({"model.safetensors": tensors(9000)}, "holds neither a config.json nor a GGUF file", 0),
        ({**CONFIG, "model.safetensors.index.json": b"[]", "a.safetensors": tensors(9)}, "lacks a readable model", 0),
        ({**CONFIG, "m-00001-of-00002.safetensors": tensors(9000)}, "has 1 of 2 files like m-00001-of-00002", 0),
        ({**CONFIG, "m.safetensors": tensors(9000)[:-1]}, "holds m.safetensors, which has", 1),
        ({**CONFIG, "m.safetensors": tensors(9000)[:20]}, "holds m.safetensors, which is no safetensors file", 0),
        ({**CONFIG, "m.safetensors": b"<!DOCTYPE html>" * 900}, "holds m.safetensors, which is no safetensors file", 1),
        ({"m.gguf": b"<!DOCTYPE html>"}, "holds m.gguf, which is no GGUF file", 0),
    ],
)
def test_what_no_engine_can_load(tmp_path, files, said, large):
    done, sent = fetched(tmp_path, "modelscope", files)
    assert done.code == 1 and done.message.startswith(f"{NAME} {said}"), done.message
    assert bool(sent) == bool(large)
    assert done.result == ""


def test_a_choice_that_leaves_out_what_the_index_names(tmp_path):
    files = {**CONFIG, "model.safetensors.index.json": INDEX}
    files |= {f"model-0000{n}-of-00003.safetensors": tensors(9000) for n in (1, 2, 3)}
    done, large = fetched(tmp_path, "huggingface", files, files=("!*-00002-*",))
    assert done.message == (
        f"{NAME} is useless without model-00002-of-00003.safetensors, which model.safetensors.index.json names and "
        "model.files leaves out; add it there"
    )
    assert large == 0


def test_what_was_left_there_before_is_not_looked_at(tmp_path):
    """A folder keeps what an earlier revision had; only what belongs to this one is judged."""
    stale = tmp_path / "storage/models/some--odd/old.safetensors"
    (folder := tmp_path / "repository").mkdir()
    for name, content in {**CONFIG, "model.safetensors": tensors(90)}.items():
        (folder / name).write_bytes(content)
    with hub_of(tmp_path, [Repository(NAME, folder)]) as hub:
        stale.parent.mkdir(parents=True)
        stale.write_bytes(b"half")
        assert hub.fetch("huggingface", NAME).code == 0


def test_an_adapter_belongs_to_a_model(tmp_path):
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": tensors(90)}
    done, _ = fetched(tmp_path, "huggingface", files)
    assert done.message.startswith(f"{NAME} is an adapter and no model; set model.id to the model it is for")
    (tmp_path / "second").mkdir()
    done, _ = fetched(tmp_path / "second", "huggingface", files, belongs=True)
    assert done.code == 0, done.message


def test_the_second_copy_is_reported_with_its_size(tmp_path):
    files = {**CONFIG, "model.safetensors": tensors(9000), "pytorch_model.bin": bytes(9000), "onnx/m.onnx": bytes(9000)}
    done, large = fetched(tmp_path, "huggingface", files)
    assert done.code == 0 and large == len(tensors(9000))
    assert (
        "note='some/odd holds its weights more than once; left out: 9 KB PyTorch .bin (pytorch_model.bin)"
        in done.result
    )
