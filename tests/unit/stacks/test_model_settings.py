"""model.*: what each source takes, and the one sentence for what it doesn't."""

import pytest
from pydantic import ValidationError

from components.weights import WeightsArgs
from stacks.settings.model import ModelSettings


def model(source, id_, **options):
    return ModelSettings.model_validate({"source": source, "id": id_, **options})


@pytest.mark.parametrize(
    ("source", "id_", "name"),
    [
        ("huggingface", "unsloth/DeepSeek-R1-GGUF", "deepseek-r1-gguf"),
        ("openmind", "MindSpore-Lab/DeepSeek-R1-W8A8", "deepseek-r1-w8a8"),
        ("git-lfs", "https://modelers.cn/MindSpore-Lab/DeepSeek-R1-W8A8.git", "deepseek-r1-w8a8"),
        ("path", "models/DeepSeek-R1-W8A8", "deepseek-r1-w8a8"),
    ],
)
def test_every_source_names_its_model(source, id_, name):
    assert model(source, id_).name == name


@pytest.mark.parametrize(
    ("source", "id_", "options", "said"),
    [
        ("git-lfs", "a/b", {}, "is no URL that git clones over HTTP, .* write https://modelers.cn/a/b.git"),
        ("git-lfs", "https://me:secret@hub/a/b", {}, "a token goes into hubToken"),
        ("huggingface", "DeepSeek-R1", {}, "id: DeepSeek-R1 is not OWNER/NAME as on the hub, which source huggingface"),
        (
            "path",
            "models/a",
            {"files": ["*Q4*"]},
            "files: chooses what is downloaded, and source path downloads nothing",
        ),
        ("git-lfs", "https://hub/a/b", {"endpoint": "https://mirror"}, "endpoint: source git-lfs asks no hub"),
    ],
)
def test_what_a_source_does_not_take(source, id_, options, said):
    with pytest.raises(ValidationError, match=said):
        model(source, id_, **options)


def test_another_revision_or_choice_of_files_is_another_folder():
    def folder(**options):
        given = {"source": "huggingface", "id": "a/b", "revision": None, "endpoint": None, "mount_point": "/mnt/t"}
        return WeightsArgs(**{**given, **options}).folder

    assert folder() == "/mnt/t/models/a--b"
    folders = {folder(), folder(revision="v1"), folder(files=("*Q4*",)), folder(files=("*Q8*",))}
    assert len(folders) == 4
    assert folder(source="path", id="models/x") == "/mnt/t/models/x"
    assert folder(source="git-lfs", id="https://hub/a/b.git") == "/mnt/t/models/hub--a--b.git"
