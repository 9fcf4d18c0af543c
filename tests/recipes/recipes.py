"""The recipes: what each stack file is planned as, and who reads its words."""

from __future__ import annotations

from dataclasses import dataclass

from components.serving import find_engine
from components.serving.engine import Peer
from planner import Plan
from stacks.load_settings import parse
from stacks.planning import plan_for, unplanned
from stacks.settings.stack import Settings
from tests.support.stack_files import configuration


@dataclass(frozen=True)
class Recipe:
    """One stack file of `recipes/`, or dev.

    Attributes:
        name: the stack file's.
        model: in the planner's catalog.
        device: accelerator of the catalog, or the instance type where machines are rented.
        parser: whose parser accepts its words here.
    """

    name: str
    model: str
    device: str
    parser: str

    def settings(self) -> Settings:
        """As the program reads them."""
        return parse(configuration(self.name))

    def words(self) -> list[list[str]]:
        """What each machine's engine process is started with."""
        settings = self.settings()
        serving = settings.serving
        nodes = [Peer(f"10.0.0.{n + 1}", count) for n, count in enumerate(settings.accelerators)]
        engine = find_engine(serving.engine, serving.executor)
        return [list(process.argv) for process in engine.processes(settings.serve_args, "/mnt/tandem/models/m", nodes)]

    def plan(self) -> Plan:
        """As the program plans it.

        Raises:
            SettingsError: it doesn't fit.
        """
        settings = self.settings()
        found = plan_for(settings)
        assert found is not None, unplanned(settings)
        return found


VLLM, SGLANG, LLAMA = "vLLM 0.32", "SGLang 0.5.23", "llama.cpp b11434"
GGUF = "deepseek-r1"

RECIPES = (
    Recipe("dev", "qwen2.5-72b-instruct", "ecs.gn8is-2x.8xlarge", VLLM),
    Recipe("h20-vllm", "deepseek-r1-bf16", "H20-96GB", VLLM),
    Recipe("h20-sglang", "deepseek-r1", "H20-96GB", SGLANG),
    Recipe("h20-tensorrt-llm", "deepseek-r1", "H20-96GB", "no: documented flags"),
    Recipe("rented-sglang", "deepseek-r1-distill-qwen-14b", "RTX-4090", SGLANG),
    Recipe("rtx3090-vllm", "deepseek-r1-awq", "RTX-3090", VLLM),
    Recipe("rtx3090-ollama", GGUF, "RTX-3090", "Ollama has none"),
    Recipe("rtx3090-llamacpp", GGUF, "RTX-3090", LLAMA),
    Recipe("rtx3090-llamacpp-rpc", GGUF, "RTX-3090", LLAMA),
    Recipe("ascend-vllm", "deepseek-r1-w8a8", "Ascend-910B-64GB", VLLM),
    Recipe("ascend-mindspore", "deepseek-r1-w8a8", "Ascend-910B-64GB", VLLM),
)
