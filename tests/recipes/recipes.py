"""The recipes: what each stack file is planned as, and who reads its words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

import yaml

from components.serving import ServeArgs, find_engine
from components.serving.engine import Node
from planner import Plan, PlanRequest, Start, find_model, owned, plan, rented
from planner.arguments import from_flags
from planner.catalog import ModelEntry
from planner.llamacpp import SCRATCH
from stacks.planning import COUNTED_AS
from stacks.schema import Settings
from stacks.settings import parse
from tests.paths import ROOT


@dataclass(frozen=True)
class Recipe:
    """One `Pulumi.<name>.yaml`.

    Attributes:
        name: the stack file's.
        model: in the planner's catalog.
        device: accelerator of the catalog, or the instance type where machines are rented.
        parser: whose parser accepts its words here.
        download_gb: of a file that the catalog hasn't, a quantization of the same model.
    """

    name: str
    model: str
    device: str
    parser: str
    download_gb: float | None = None

    def settings(self) -> Settings:
        """As the program reads them."""
        text = (ROOT / f"Pulumi.{self.name}.yaml").read_text()
        config = {key.removeprefix("tandem:"): value for key, value in yaml.safe_load(text)["config"].items()}
        return parse({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()})

    def words(self) -> list[list[str]]:
        """What each machine's engine process is started with."""
        settings = self.settings()
        serving = settings.serving
        args = ServeArgs(
            served_name=settings.model.name,
            tensor_parallel_size=serving.tensor_parallel_size,
            pipeline_parallel_size=serving.pipeline_parallel_size,
            max_model_len=serving.max_model_len,
            port=serving.port,
            arguments=serving.arguments,
        )
        nodes = [Node(f"10.0.0.{n + 1}", "eth0", count) for n, count in enumerate(settings.accelerators)]
        engine = find_engine(serving.engine, serving.executor)
        return [list(process.argv) for process in engine.processes(args, "/mnt/tandem/models/m", nodes)]

    def entry(self) -> ModelEntry:
        """The model in the catalog, with this file's size."""
        found = find_model(self.model)
        return replace(found, download_bytes=int(self.download_gb * 1e9)) if self.download_gb else found

    def offloaded(self) -> tuple[int, int]:
        """Layers that the recipe puts on accelerators, and layers that they hold at most (llama.cpp and Ollama)."""
        settings, entry = self.settings(), self.entry()
        said = " ".join(settings.serving.arguments)
        found = re.search(r"(?:--gpu-layers |num_gpu=)(\d+)", said)
        devices = owned(self.device, settings.accelerators[0], machines=len(settings.accelerators))
        layer = (entry.download_bytes or 0) / entry.model.layers
        return int(found[1]) if found else 0, devices.accelerators * int((devices.device.total - SCRATCH) // layer)

    def plan(self) -> Plan:
        """As the planner sees it.

        Raises:
            Refusal: it doesn't fit.
        """
        settings = self.settings()
        serving, counts = settings.serving, settings.accelerators
        machines = (
            rented(self.device, len(counts)) if settings.cloud else owned(self.device, counts[0], machines=len(counts))
        )
        engine = COUNTED_AS.get(serving.engine, "vllm")  # TensorRT-LLM cuts a model as vLLM does
        layers = engine in ("llamacpp", "ollama")
        counted, _ = from_flags(serving.arguments)
        arguments = {} if layers else {**counted, "max_model_len": str(serving.max_model_len)}
        return plan(
            PlanRequest(
                model=self.entry(),
                clusters=(machines,),
                engine=engine,
                arguments=arguments,
                tensor_parallel_size=None if layers else serving.tensor_parallel_size,
                pipeline_parallel_size=None if layers else serving.pipeline_parallel_size,
                start=Start("rented", machines_ready=settings.cloud is None),
            )
        )


VLLM, SGLANG, LLAMA = "vLLM 0.32", "SGLang 0.5.23", "llama.cpp b11434"
GGUF = "deepseek-r1-q4-k-m-gguf"

RECIPES = (
    Recipe("dev", "qwen2.5-72b-instruct", "ecs.gn8is-2x.8xlarge", VLLM),
    Recipe("h20-vllm", "deepseek-r1-bf16", "H20-96GB", VLLM),
    Recipe("h20-sglang", "deepseek-r1", "H20-96GB", SGLANG),
    Recipe("h20-tensorrt-llm", "deepseek-r1", "H20-96GB", "no: documented flags"),
    Recipe("rented-sglang", "deepseek-r1-distill-qwen-14b", "RTX-4090", SGLANG),
    Recipe("rtx3090-vllm", "deepseek-r1-awq", "RTX-3090", VLLM),
    Recipe("rtx3090-ollama", GGUF, "RTX-3090", "Ollama has none"),
    Recipe("rtx3090-llamacpp", GGUF, "RTX-3090", LLAMA, 183),
    Recipe("rtx3090-llamacpp-rpc", GGUF, "RTX-3090", LLAMA),
    Recipe("ascend-vllm", "deepseek-r1-w8a8", "Ascend-910B-64GB", VLLM),
    Recipe("ascend-mindspore", "deepseek-r1-w8a8", "Ascend-910B-64GB", VLLM),
)
