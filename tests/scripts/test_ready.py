"""ready.sh: what it says of an engine that ends before its first completion."""

import socket

import pytest

from components.remote.payload import FILES
from tests.scripts.native_step import Step

READY = FILES.parents[1] / "serving/files/ready.sh"
KEEP = """from pathlib import Path
here = Path(__file__).parent
with (here / "log").open("a") as log:
    log.write((here / "end").read_text())
print("running 1")
"""
"""Stand-in of keep.py: the engine ends while it is looked at."""

START = "tandem: the group is whole, starting the engine (attempt 1)\n"
END = """(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above.
tandem: engine exited with code 1
"""


def said(tmp_path, words):
    step = Step(tmp_path)
    engine = step.home / "processes/engine"
    engine.mkdir(parents=True)
    (engine / "keep.py").write_text(KEEP)
    (engine / "log").write_text(f"ValueError: of the attempt before\n{START}")
    (engine / "end").write_text(words + END)
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
        return step.run(READY, CONTAINER="engine", MODEL="m", PORT=port, READY_SECONDS="30")[1]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "(EngineCore pid=8) ERROR 11-23 14:05:20 [core.py:1231] ModuleNotFoundError: No module named 'x'\n",
            "ModuleNotFoundError: No module named 'x'",
        ),
        (
            "(APIServer pid=9) RuntimeError: \n(APIServer pid=9)         An attempt has been made\n",
            "RuntimeError: An attempt has been made",
        ),
        (
            "(EngineCore pid=8) torch.AcceleratorError:\n\n  CUDA error: no kernel\n",
            "AcceleratorError: CUDA error: no kernel",
        ),
        ("", "this machine shows no error, so see"),
    ],
)
def test_the_first_error_since_the_last_start_is_named(tmp_path, words, reason):
    sentence = said(tmp_path, words)
    assert "the engine ended before its first completion: " in sentence
    assert reason in sentence
    assert "attempt before" not in sentence
