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
        means: the setting's value that the flag stands for as it is, without a value of its own.
    """

    setting: str = ""
    own: Callable[[Settings], Any] | None = None
    why: str = ""
    means: bool | None = None


TENSOR = Flag("serving.tensorParallelSize", lambda s: s.serving.tensor_parallel_size)
PIPELINE = Flag("serving.pipelineParallelSize", lambda s: s.serving.pipeline_parallel_size)
LENGTH = Flag("serving.maxModelLen", lambda s: s.serving.max_model_len)
NAME = Flag("model.servedName", lambda s: s.model.name)
PORT = Flag("serving.port", lambda s: s.serving.port)
EXECUTOR = Flag("serving.executor", lambda s: s.serving.executor)
HOST = Flag(why="the engine listens on its machine's loopback and the gateway is what the outside reaches; take it out")
PLACE = Flag(why="each machine's place is given by the order of machines; take it out")
MODEL = Flag(why="the model is the one that model.id names, at the place where it was fetched; take it out")
DATA = Flag("serving.dataParallelSize", lambda s: s.serving.data_parallel_size)
EXPERT = Flag("serving.expertParallel", lambda s: s.serving.expert_parallel, means=True)
NO_EXPERT = Flag("serving.expertParallel", lambda s: s.serving.expert_parallel, means=False)
SHARED = Flag("serving.tensorParallelSize", lambda s: s.serving.tensor_parallel_size * s.serving.data_parallel_size)
SPREAD = Flag("serving.expertParallel")
ATTENTION = Flag("serving.dataParallelSize")
RANKS = Flag(
    why="data parallel ranks are placed by the order of machines, behind the first one's API; take it out, and set "
    "serving.dataParallelSize to how many there are"
)
CONTEXT = Flag(
    why="context parallelism of prompts takes accelerators of its own, and all of them are counted as "
    "tensorParallelSize x pipelineParallelSize x dataParallelSize; take it out"
)
NOT_SGLANGS = Flag(why="SGLang has no such argument; take it out, and set serving.expertParallel to true")
VLLM = {
    "--tensor-parallel-size": TENSOR,
    "-tp": TENSOR,
    "--pipeline-parallel-size": PIPELINE,
    "-pp": PIPELINE,
    "--max-model-len": LENGTH,
    "--served-model-name": NAME,
    "--port": PORT,
    "--host": HOST,
    "--model": MODEL,
    "--distributed-executor-backend": EXECUTOR,
    "--nnodes": PLACE,
    "-n": PLACE,
    "--node-rank": PLACE,
    "-r": PLACE,
    "--master-addr": PLACE,
    "--master-port": PLACE,
    "--headless": PLACE,
    "-dp": DATA,
    "--data-parallel-size": DATA,
    "--enable-expert-parallel": EXPERT,
    "-ep": EXPERT,
    "--no-enable-expert-parallel": NO_EXPERT,
    "-no-ep": NO_EXPERT,
    "--prefill-context-parallel-size": CONTEXT,
    "-pcp": CONTEXT,
    **dict.fromkeys(
        (
            "-dpn",
            "-dpl",
            "-dpr",
            "-dpa",
            "-dpp",
            "-dpb",
            "-dph",
            "-dpe",
            "-dpm",
            "--data-parallel-size-local",
            "--data-parallel-rank",
            "--data-parallel-start-rank",
            "--data-parallel-address",
            "--data-parallel-rpc-port",
            "--data-parallel-backend",
            "--data-parallel-hybrid-lb",
            "--data-parallel-external-lb",
            "--data-parallel-multi-port-external-lb",
        ),
        RANKS,
    ),
}
SGLANG = {
    "--tensor-parallel-size": SHARED,
    "--tp-size": SHARED,
    "--tp": SHARED,
    "--pipeline-parallel-size": PIPELINE,
    "--pp-size": PIPELINE,
    "--pp": PIPELINE,
    "--context-length": LENGTH,
    "--served-model-name": NAME,
    "--port": PORT,
    "--host": HOST,
    "--model-path": MODEL,
    "--model": MODEL,
    "--nnodes": PLACE,
    "--node-rank": PLACE,
    "--dist-init-addr": PLACE,
    "--nccl-init-addr": PLACE,
    "--data-parallel-size": DATA,
    "--dp-size": DATA,
    "--dp": DATA,
    "--attn-dp-size": DATA,
    "--enable-dp-attention": ATTENTION,
    "--expert-parallel-size": SPREAD,
    "--ep-size": SPREAD,
    "--ep": SPREAD,
    "--enable-expert-parallel": NOT_SGLANGS,
    "--attn-cp-size": CONTEXT,
    "--attention-context-parallel-size": CONTEXT,
}
LLAMACPP = {
    "--ctx-size": LENGTH,
    "-c": LENGTH,
    "--alias": NAME,
    "-a": NAME,
    "--port": PORT,
    "--host": HOST,
    "--model": MODEL,
    "-m": MODEL,
    "--hf-repo": MODEL,
    "-hf": MODEL,
    "-hfr": MODEL,
    "--model-url": MODEL,
    "-mu": MODEL,
    "--rpc": PLACE,
}
TENSORRT_LLM = {
    "--tp-size": TENSOR,
    "--tensor-parallel-size": TENSOR,
    "--pp-size": PIPELINE,
    "--pipeline-parallel-size": PIPELINE,
    "--max-seq-len": LENGTH,
    "--port": PORT,
    "--host": HOST,
}
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
ALONE = (
    "--headless",
    "--data-parallel-hybrid-lb",
    "--data-parallel-external-lb",
    "-dph",
    "-dpe",
    "-dpm",
    "--data-parallel-multi-port-external-lb",
    "--enable-expert-parallel",
    "-ep",
    "--no-enable-expert-parallel",
    "-no-ep",
    "--enable-dp-attention",
)


def argument_mistakes(settings: Settings) -> Iterator[Mistake]:
    """Arguments that contradict settings: the engine would take the argument, and all else goes by the setting."""
    words = settings.serving.arguments
    known = FLAGS[settings.serving.engine]
    for position, (name, value, taken) in _flags(words, known):
        flag = known[name]
        rest = (*words[:position], *words[position + taken :])
        if flag in (SHARED, ATTENTION, SPREAD):
            if settings.serving.tensor_parallel_size is None:
                continue  # looked at once the split is chosen
            if said := _in_sglangs_count(settings, flag, value):
                text, changes = said
                yield Mistake(
                    f"serving.arguments: {_short(name)} {value[:60]}".rstrip() + f": {text}",
                    {
                        "serving.arguments": list(rest),
                        **changes,
                    },
                )
            continue
        if flag.own is None:
            yield Mistake(f"serving.arguments: {_short(name)}: {flag.why}", {"serving.arguments": list(rest)})
            continue
        own = flag.own(settings)
        if own is None or str(own) == value or (flag.means is not None and flag.means == own):
            continue
        changes = {"serving.arguments": list(rest)}
        if flag.means is not None:
            changes[flag.setting] = flag.means
        elif value.isascii() and value.isdigit() == isinstance(own, int) and value:
            changes[flag.setting] = int(value) if isinstance(own, int) else value
        shown = f"{_short(name)} {value[:60]}".rstrip()
        meant = str(flag.means).lower() if flag.means is not None else "what is meant"
        written = str(own).lower() if isinstance(own, bool) else own
        yield Mistake(
            f"serving.arguments: {shown}: contradicts {flag.setting}, which is {written}, and which machines, ports "
            f"and plan go by; take it out, and set {flag.setting} to {meant}",
            changes,
        )


def _in_sglangs_count(settings: Settings, flag: Flag, value: str) -> tuple[str, dict[str, Any]] | None:
    """What is said of SGLang's sizes, whose tensor parallelism holds all data parallel ranks; and the changes."""
    serving = settings.serving
    data, shared = serving.data_parallel_size, serving.tensor_parallel_size * serving.data_parallel_size
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 6 else None
    if flag is ATTENTION:
        if data > 1:
            return None
        return "data parallel ranks are a setting; take it out, and set serving.dataParallelSize to how many", {}
    if flag is SPREAD:
        # Fewer parts than accelerators are SGLang's alone, and no setting's.
        if number is None or number == (shared if serving.expert_parallel else 1) or 1 < number < shared:
            return None
        own, meant = str(serving.expert_parallel).lower(), number > 1
        return (
            f"contradicts serving.expertParallel, which is {own}; take it out, and set serving.expertParallel to "
            f"{str(meant).lower()}",
            {"serving.expertParallel": meant},
        )
    if number == shared:
        return None
    changes = {"serving.tensorParallelSize": number // data} if number and number % data == 0 else {}
    counted = "" if data == 1 else f" x serving.dataParallelSize {data}"
    return (
        f"contradicts serving.tensorParallelSize, which is {serving.tensor_parallel_size}{counted}, and which "
        "machines, ports and plan go by; take it out, and set serving.tensorParallelSize to what is meant",
        changes,
    )


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
