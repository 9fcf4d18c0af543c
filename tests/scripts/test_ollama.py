"""ollama.sh: what it says before Ollama is started, by the script itself and no Ollama."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.paths import ROOT

SCRIPT = ROOT / "components/serving/files/ollama.sh"


@pytest.mark.parametrize(
    ("file", "parameters", "error"),
    [
        ("model-00001-of-00003.gguf", [], "Ollama reads no model in parts: merge it on the storage (llama-gguf-split"),
        ("model.gguf", ["num_gpu=16", "--threads"], "serving.arguments: --threads is no parameter of Ollama; write"),
    ],
)
def test_what_ollama_does_not_take_is_an_error_at_once(tmp_path, file, parameters, error):
    done = subprocess.run(
        ["/bin/bash", SCRIPT, "name", "8100", tmp_path / file, *parameters],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"error: {error}")
    assert not list(tmp_path.iterdir()), "no file is left"
