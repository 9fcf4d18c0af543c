"""ready.sh: what it says of an engine that ends before its first completion."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.machine.payload import FILES
from components.serving.replica import PROGRAMS
from tests.scripts.native_step import Step

READY = FILES.parents[1] / "serving/files/ready.sh"
SUPERVISOR = """from pathlib import Path
here = Path(__file__).parent
with (here / "log").open("a") as log:
    log.write((here / "end").read_text())
print("running 1")
"""
"""Stand-in of process_supervisor.py: the engine ends while it is looked at."""

START = "tandem: the group is whole, starting the engine (attempt 1)\n"
END = """(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above.
tandem: engine exited with code 1
"""


def said(tmp_path, words):
    step = Step(tmp_path)
    engine = step.home / "processes/engine"
    engine.mkdir(parents=True)
    (engine / "process_supervisor.py").write_text(SUPERVISOR)
    (engine / "log").write_text(f"ValueError: of the attempt before\n{START}")
    (engine / "end").write_text(words + END)
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
        return step.run(READY, CONTAINER="engine", MODEL="m", PORT=port, READY_SECONDS="30")[1]


SHARDS = """(RayWorkerProc pid=501) \rLoading safetensors checkpoint shards:   0% Completed | 0/4 [00:00<?, ?it/s]
(RayWorkerProc pid=501) \rLoading safetensors checkpoint shards:  50% Completed | 2/4 [00:41<00:40, 20.31s/it]\n"""
"""vLLM 0.32.0."""


def test_weights_that_load_by_shard_are_a_line_with_what_is_left(tmp_path):
    step = Step(tmp_path)
    engine = step.home / "processes/engine"
    engine.mkdir(parents=True)
    (engine / "process_supervisor.py").write_text("print('running 1')")
    (engine / "log").write_text(START + SHARDS)
    step.run(READY, CONTAINER="engine", MODEL="m", PORT="9", READY_SECONDS="1")
    assert (step.dir / "status").read_text() == "engine: loading weights: 50 % (2 of 4 shards), 00:40 left\n"


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
            "ray.exceptions.RayTaskError(RuntimeError): ray::Rank.look() (pid=9, ip=10.0.0.1)\n"
            "    raise RuntimeError(message)\nRuntimeError: NCCL_SOCKET_IFNAME is not set\n",
            ": RuntimeError: NCCL_SOCKET_IFNAME is not set",
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


class Stub(BaseHTTPRequestHandler):
    """An engine that answers every question with the same."""

    code, text = 200, ""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.code)
        self.send_header("Content-Length", str(len(self.text)))
        self.end_headers()
        self.wfile.write(self.text.encode())

    def log_message(self, *args):
        pass


def readiness(tmp_path, code, text, **options):
    """What ready.sh says of an engine that answers so: its result, or its sentence."""
    step = Step(tmp_path)
    engine = step.home / "processes/engine"
    engine.mkdir(parents=True)
    (engine / "process_supervisor.py").write_text('print("running 1")')
    (engine / "log").write_text(START)
    handler = type("Handler", (Stub,), {"code": code, "text": text})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = {"MODEL": 'm "x"', "READY_SECONDS": "10", **options}
        found = step.run(READY, CONTAINER="engine", PORT=str(server.server_address[1]), **options)
        server.shutdown()
    return found


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("chat", '{"choices":[{"message":{"content":null,"reasoning_content":"hm"}}],"usage":{"completion_tokens":9}}'),
        ("chat", '{"choices":[{"message":{"content":null,"tool_calls":[{}]}}]}'),
        ("completion", '{"choices":[{"text":" Bob"}]}'),
        ("embedding", '{"data":[{"embedding":[0.5,-1]}]}'),
        ("rerank", '{"results":[{"index":0,"relevance_score":0.9}]}'),
        ("rerank", '[{"index":0,"score":0.9}]'),
        ("transcription", '{"text":""}'),
    ],
)
def test_an_answer_counts_by_what_the_model_is_for(tmp_path, task, text):
    assert readiness(tmp_path, 200, text, TASK=task)[0]["task"] == task


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (400, '{"error":{"message":"The model does not support Chat Completions API"}}', "set model.task"),
        (400, '{"error":{"message":"you must provide a chat template"}}', "set model.task to completion, or give"),
        (401, '{"error":"Unauthorized"}', "take --api-key and VLLM_API_KEY out"),
        (404, '{"error":{"message":"The model m does not exist"}}', "set model.servedName"),
        (200, '{"choices":[{"message":{"content":""}}],"usage":{"completion_tokens":0}}', "holds nothing of a chat"),
    ],
)
def test_an_answer_that_does_not_count_is_reported_with_what_mends_it(tmp_path, code, text, said):
    sentence = readiness(tmp_path, code, text)[1]
    assert said in sentence
    assert "firewall" not in sentence


def test_a_proxy_of_the_login_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert readiness(tmp_path, 200, '{"choices":[{"message":{"content":"hi"}}]}')[0]["task"] == "chat"


def test_a_real_supervisor_under_the_real_process_supervisor_is_read_by_the_real_step(tmp_path):
    """An engine that dies before its first word, seen through the file that its supervisor keeps."""
    step = Step(tmp_path)
    engine = step.home / "processes/engine"
    (engine / "files").mkdir(parents=True)
    for name in PROGRAMS:
        shutil.copy(READY.with_name(name), engine / "files" / name)
    shutil.copy(FILES / "process_supervisor.py", engine / "process_supervisor.py")
    argv = [
        "python3",
        "/tandem/rank_supervisor.py",
        "--group=peers",
        "--ranks=1",
        "--machine=gpu-3",
        "--state=/tandem",
        "--",
    ]
    spec = {"argv": [*argv, "/no/such/engine"], "environment": {}, "path": [], "owner": f"test-{os.getpid()}"}
    (engine / "spec.json").write_text(json.dumps({**spec, "renames": {"/tandem": "./files"}}))
    supervisor = [sys.executable, str(engine / "process_supervisor.py")]
    subprocess.run([*supervisor, "start", str(engine)], check=True)
    try:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = str(closed.getsockname()[1])
            sentence = step.run(READY, CONTAINER="engine", MODEL="m", PORT=port, READY_SECONDS="50")[1]
    finally:
        subprocess.run([*supervisor, "stop", str(engine)], check=True)
    assert "(rank 0 on gpu-3, exit code 127): error: /no/such/engine: " in sentence
