"""Every recipe's words are accepted by the engine's own parser: vLLM's, Ray's, SGLang's, llama.cpp's.

vLLM is 0.32 for processors; vllm-ascend and vllm-mindspore read their words with vLLM's parser. SGLang's parser runs
with stand-ins of the kernels it imports. TensorRT-LLM isn't in the package registries: its flags are a table of what
its documentation names. Ollama has no words, and is run itself (tests/e2e/test_engines.py).
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from components.ray import RayPorts
from components.serving import ServeArgs, find_engine
from components.serving.engine import Peer
from localcloud.fixtures import ensure_environment, ensure_llamacpp
from localcloud.fixtures.uv import find_uv
from localcloud.system.cache import cache_dir, key_of, made_once
from localcloud.system.programs import run
from tests.recipes.recipes import RECIPES
from tests.support.paths import ROOT
from tests.support.waiting import free_port, until

pytestmark = [pytest.mark.root, pytest.mark.engine]

HERE = Path(__file__).parent
TENSORRT_LLM = {
    "--backend",
    "--tp_size",
    "--pp_size",
    "--ep_size",
    "--host",
    "--port",
    "--max_seq_len",
    "--max_batch_size",
    "--max_num_tokens",
    "--kv_cache_free_gpu_memory_fraction",
    "--trust_remote_code",
    "--config",
}
"""trtllm-serve's flags as its documentation of 1.2 names them."""


def words_of(*engines):
    return [(r.name, w) for r in RECIPES if r.settings().serving.engine in engines for w in r.words()]


LLAMA = words_of("llamacpp")


def words_of_data_ranks(engine, executor="mp"):
    """Of two data parallel ranks on each of two machines, and of one on every two of four."""
    found = []
    for tensor, data, machines in ((2, 4, 2), (8, 2, 4)):
        split = ServeArgs("m", tensor, 1, max_model_len=512, data_parallel_size=data, expert_parallel=True)
        peers = [Peer(f"10.0.0.{n + 1}", 4) for n in range(machines)]
        processes = find_engine(engine, executor).processes(split, "/m", peers)
        found += [(f"{data} data parallel ranks, {executor}", list(process.argv)) for process in processes]
    return found


def parsed(folder: Path, program: str, words: list[list[str]]) -> list[str | None]:
    """What a parser inside the engine's root says to each."""
    shutil.copy(HERE / program, folder)
    inside = ROOT / "localcloud/fixtures/files/inside.sh"
    done = subprocess.run(
        [str(inside), str(ensure_environment()), str(folder), "python", f"/mnt/{program}"],
        input=json.dumps(words),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[str | None] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.long  # loads vLLM twice
def test_vllm_and_ray_accept_their_words_and_refuse_wrong_ones(tmp_path):
    named = words_of("vllm", "vllm-ascend", "vllm-mindspore")
    named += words_of_data_ranks("vllm") + words_of_data_ranks("vllm", "ray")
    common = ["--block", "--disable-usage-stats", "--node-ip-address=10.0.0.1", "--object-store-memory=268435456"]
    ray = ["ray", "start", *common, "--num-cpus=8", *RayPorts().arguments()]
    head = [*ray, "--head", "--port=6379", "--include-dashboard=false", "--num-gpus=8"]
    npu = [*ray, "--address=10.0.0.1:6379", '--resources={"NPU": 8}']
    wrong = [["vllm", "serve", "/m", "--no-such-word"], ["ray", "start", "--no-such-word"]]
    said = parsed(tmp_path, "parse_vllm.py", [*(w for _, w in named), head, npu, *wrong])
    # 0.32 takes what a platform's plugin adds only where the plugin is: `ascend` is vllm-ascend's quantization.
    names = [*(n for n, _ in named), "ray head", "ray worker"]
    assert {n: s for n, s in zip(names, said, strict=False) if s} == {}
    assert all(said[-2:])


def test_sglang_accepts_its_words_and_refuses_wrong_ones(tmp_path):
    lock = HERE / "sglang.lock"

    def make(folder: Path, log: Path) -> None:
        run(
            *(find_uv(), "pip", "install", "--quiet", f"--cache-dir={cache_dir().parent / 'uv-cache'}"),
            *("--python=3.11", "--no-deps", "--require-hashes", "--requirement", lock, "--target", folder),
            log=log,
        )

    shutil.copytree(made_once("sglang", key_of(lock.read_text()), make), tmp_path / "sglang")
    named = words_of("sglang") + words_of_data_ranks("sglang")
    wrong = ["python3", "-m", "sglang.launch_server", "--model-path=/m", "--no-such-word"]
    said = parsed(tmp_path, "parse_sglang.py", [*(w for _, w in named), wrong])
    assert {n: s for (n, _), s in zip(named, said, strict=False) if s} == {}
    assert said[-1]


def test_llamacpp_accepts_its_words_and_refuses_wrong_ones():
    """`llama-server` asks the RPC servers while it reads its words, so a real one listens here."""
    programs = ensure_llamacpp() / "bin"
    port = free_port()
    rpc = subprocess.Popen([programs / "ggml-rpc-server", "--host", "127.0.0.1", "--port", str(port)])
    try:
        until(lambda: listens(port))
        named = [(name, [word.replace("10.0.0.2:50052", f"127.0.0.1:{port}") for word in w]) for name, w in LLAMA]
        assert any("--rpc" in words for _, words in named)
        for name, words in named:
            assert exit_code(programs, *words, "--help") == 0, name
        # The RPC server ends with 0 either way; what it says tells.
        wrong = subprocess.run(
            [programs / "ggml-rpc-server", "--no-such-word"], capture_output=True, text=True, check=False
        )
        assert "unknown argument" in wrong.stderr
        assert exit_code(programs, "llama-server", "--no-such-word") != 0
    finally:
        rpc.kill()
        rpc.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def exit_code(programs: Path, program: str, *words: str) -> int:
    return subprocess.run([programs / program, *words], capture_output=True, check=False, timeout=60).returncode


def test_tensorrt_llms_flags_are_documented_ones():
    (first, *agents) = [words for _, words in words_of("tensorrt-llm")]
    own = first[first.index("trtllm-serve") + 2 :]
    assert {word for word in own if word.startswith("--")} <= TENSORRT_LLM
    assert len(agents) == 1
