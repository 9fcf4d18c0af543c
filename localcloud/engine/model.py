"""The tiny model: real files, real tokenizer, random weights."""

import shutil
from pathlib import Path

from localcloud.engine.environment import FILES, ensure_environment
from localcloud.engine.llamacpp import ensure_llamacpp
from localcloud.machines.cache import key_of, made_once
from localcloud.machines.programs import run

MODEL_ID = "tandem/tiny-qwen2"
"""The name under which the depot serves it."""
GGUF_IDS = {2: f"{MODEL_ID}-gguf", 1: f"{MODEL_ID}-gguf-whole"}
"""The same model for llama.cpp and Ollama, which reads none in parts."""


def ensure_model(mib: int = 0) -> Path:
    """The folder of the model's files, made when it isn't there: some seconds.

    The bytes are the same on every machine. `mib` widens its MLPs until the weights have about that
    many MiB, for tests of downloads; 0 is the tiny one of 2 MiB.

    Raises:
        MachinesError: the environment can't be made, or the model failed to be written.
    """
    root = ensure_environment()

    def make(folder: Path, log: Path) -> None:
        run(FILES / "inside.sh", root, folder, "python", "/srv/tiny_model.py", "/mnt", "--mib", str(mib), log=log)

    return made_once("model", key_of(str(mib), root.parent.name, (FILES / "tiny_model.py").read_text()), make)


def ensure_gguf(parts: int) -> Path:
    """The folder of the tiny model's GGUF file in so many parts, made when it isn't there.

    Raises:
        MachinesError: llama.cpp's tools or the model can't be made.
    """
    root, tools, model = ensure_environment(), ensure_llamacpp() / "tools", ensure_model()

    def make(folder: Path, log: Path) -> None:
        shutil.copytree(tools / "gguf", folder / "tools" / "gguf")
        shutil.copytree(model, folder / "model")
        run(
            *(FILES / "inside.sh", root, folder, "env", "PYTHONPATH=/mnt/tools"),
            *("python", "/srv/tiny_gguf.py", "/mnt/model", "/mnt", str(parts)),
            log=log,
        )
        shutil.rmtree(folder / "tools")
        shutil.rmtree(folder / "model")

    return made_once(
        "gguf", key_of(str(parts), model.name, tools.parent.name, (FILES / "tiny_gguf.py").read_text()), make
    )
