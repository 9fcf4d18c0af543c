"""Words of `serving.arguments` that say again, and otherwise, what a setting says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.serving import EngineName
from stacks.settings.errors import Mistake
from stacks.settings.stack import Settings


@dataclass(frozen=True)
class Flag:
    """A flag of an engine that a setting stands for.

    Attributes:
        setting: where it belongs.
        own: the setting's value; None where the flag is never the user's to give.
        why: what is said of one that is nobody's to give.
    """

    setting: str = ""
    own: Callable[[Settings], Any] | None = None
    why: str = ""


TENSOR = Flag("serving.tensorParallelSize", lambda s: s.serving.tensor_parallel_size)
PIPELINE = Flag("serving.pipelineParallelSize", lambda s: s.serving.pipeline_parallel_size)
LENGTH = Flag("serving.maxModelLen", lambda s: s.serving.max_model_len)
NAME = Flag("model.servedName", lambda s: s.model.name)
PORT = Flag("serving.port", lambda s: s.serving.port)
EXECUTOR = Flag("serving.executor", lambda s: s.serving.executor)
HOST = Flag(why="the engine listens on its machine's loopback and the gateway is what the outside reaches; take it out")
PLACE = Flag(why="each machine's place is given by the order of machines; take it out")
MODEL = Flag(why="the model is the one that model.id names, at the place where it was fetched; take it out")
COPIES = Flag(
    why="several copies of the model (data parallel) can't be had in a stack yet: its accelerators all serve one copy, "
    "tensorParallelSize x pipelineParallelSize; take it out, or make a stack a copy"
)
VLLM = {
    "--tensor-parallel-size": TENSOR, "-tp": TENSOR, "--pipeline-parallel-size": PIPELINE, "-pp": PIPELINE,
    "--max-model-len": LENGTH, "--served-model-name": NAME, "--port": PORT, "--host": HOST, "--model": MODEL,
    "--distributed-executor-backend": EXECUTOR, "--nnodes": PLACE, "-n": PLACE, "--node-rank": PLACE, "-r": PLACE,
    "--master-addr": PLACE, "--master-port": PLACE, "--headless": PLACE, "-dp": COPIES, "-dpn": COPIES, "-dpl": COPIES,
    "-dpr": COPIES, "--data-parallel-size": COPIES, "--data-parallel-size-local": COPIES,
    "--data-parallel-rank": COPIES,
    "--data-parallel-start-rank": COPIES, "--data-parallel-address": COPIES, "--data-parallel-rpc-port": COPIES,
    "--data-parallel-backend": COPIES, "--data-parallel-hybrid-lb": COPIES, "--data-parallel-external-lb": COPIES,
    "--api-server-count": COPIES,
}  # fmt: skip
SGLANG = {
    "--tensor-parallel-size": TENSOR, "--tp-size": TENSOR, "--tp": TENSOR, "--pipeline-parallel-size": PIPELINE,
    "--pp-size": PIPELINE, "--pp": PIPELINE, "--context-length": LENGTH, "--served-model-name": NAME, "--port": PORT,
    "--host": HOST, "--model-path": MODEL, "--model": MODEL, "--nnodes": PLACE, "--node-rank": PLACE,
    "--dist-init-addr": PLACE, "--nccl-init-addr": PLACE, "--data-parallel-size": COPIES, "--dp-size": COPIES,
    "--dp": COPIES,
}  # fmt: skip
LLAMACPP = {
    "--ctx-size": LENGTH, "-c": LENGTH, "--alias": NAME, "-a": NAME, "--port": PORT, "--host": HOST, "--model": MODEL,
    "-m": MODEL, "--hf-repo": MODEL, "-hf": MODEL, "-hfr": MODEL, "--model-url": MODEL, "-mu": MODEL, "--rpc": PLACE,
}  # fmt: skip
TENSORRT_LLM = {
    "--tp-size": TENSOR, "--pp-size": PIPELINE, "--max-seq-len": LENGTH, "--port": PORT, "--host": HOST,
}  # fmt: skip
OLLAMA = {"num-ctx": LENGTH}
FLAGS: dict[EngineName, dict[str, Flag]] = {
    "vllm": VLLM,
    "vllm-ascend": VLLM,
    "vllm-mindspore": VLLM,
    "sglang": SGLANG,
    "llamacpp": LLAMACPP,
    "ollama": OLLAMA,
    "tensorrt-llm": TENSORRT_LLM,
}
API_KEYS = ("VLLM_API_KEY", "LLAMA_API_KEY")
"""Variables that give an engine a key of its own."""
ALONE = ("--headless", "--data-parallel-hybrid-lb", "--data-parallel-external-lb")


def argument_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Arguments that contradict settings: the engine would take the argument, and all else goes by the setting."""
    words = settings.serving.arguments
    known = FLAGS[settings.serving.engine]
    shared_attention = settings.serving.engine == "sglang" and "--enable-dp-attention" in words
    for position, (name, value, taken) in _flags(words, known):
        flag = known[name]
        # SGLang's attention by copies goes over the same accelerators: nothing else is started for it.
        if flag is COPIES and shared_attention:
            continue
        rest = (*words[:position], *words[position + taken :])
        if flag.own is None:
            yield Mistake(f"serving.arguments: {_short(name)}: {flag.why}", {"serving.arguments": list(rest)})
            continue
        own = flag.own(settings)
        if own is None or str(own) == value:
            continue
        changes: dict[str, Any] = {"serving.arguments": list(rest)}
        if value.isascii() and value.isdigit() == isinstance(own, int) and value:
            changes[flag.setting] = int(value) if isinstance(own, int) else value
        yield Mistake(
            f"serving.arguments: {_short(name)} {value[:60]}: contradicts {flag.setting}, which is {own}, and which "
            f"machines, ports and plan go by; take it out, and set {flag.setting} to what is meant", changes,
        )  # fmt: skip


def own_key_mistakes(settings: Settings) -> Iterator[Mistake]:
    """A key of the engine's own, which the gateway would have to know too."""
    serving = settings.serving
    given = any(word.partition("=")[0] == "--api-key" for word in serving.arguments)
    if given or any(key in serving.environment for key in API_KEYS):
        yield Mistake(
            "serving.arguments: the gateway asks for the key, and the engine listens on its machine only; take "
            "--api-key (and VLLM_API_KEY or LLAMA_API_KEY in serving.environment) out, and give the key by "
            "`pulumi config set --secret tandem:apiKey`"
        )


def _short(name: str) -> str:
    return name if name.startswith("-") else name.replace("-", "_")


def _flags(words: Sequence[str], known: dict[str, Flag]) -> Iterator[tuple[int, tuple[str, str, int]]]:
    """Each known flag: its position, and its name, value and how many words it takes."""
    for position, word in enumerate(words):
        name, separator, value = word.partition("=")
        dashes = name[: len(name) - len(name.lstrip("-"))]
        name = dashes + name[len(dashes) :].replace("_", "-")
        if name not in known:
            continue
        follows = words[position + 1] if position + 1 < len(words) else ""
        alone = separator or name in ALONE or not follows or follows.startswith("--")
        yield position, (name, value if separator else "" if alone else follows, 1 if alone else 2)
