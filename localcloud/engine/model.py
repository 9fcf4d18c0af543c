"""The tiny model: real files, real tokenizer, random weights."""

from pathlib import Path

from localcloud.engine.environment import FILES, ensure_environment
from localcloud.machines.cache import key_of, made_once
from localcloud.machines.programs import run

MODEL_ID = "tandem/tiny-qwen2"
"""The name under which the depot serves it."""


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
