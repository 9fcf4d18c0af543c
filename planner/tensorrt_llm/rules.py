"""What TensorRT-LLM's PyTorch backend takes: accelerators and checkpoints."""

from __future__ import annotations

from planner.catalog.device import Device
from planner.model.shapes import Model
from planner.refusal import Change, Refusal, Unplanned
from planner.vllm.rules import BF16, NATIVE_FP8

FP4 = 10.0
"""Compute capability from which there are NVFP4's kernels (docs/source/features/quantization.md, 1.2)."""

READ = {
    "fp8": ("fp8", "modelopt"),
    "nvfp4": ("modelopt", "modelopt_fp4", "nvfp4"),
    "mxfp4": ("mxfp4",),
    "fp8_block": ("fp8", "modelopt"),
    "none": ("none",),
}
"""Names of `quant_method` that are read, by how weights are stored: ModelOpt's by its own file, block-wise FP8 and
MXFP4 by config.json. Others are taken for 16-bit weights (load_hf_quant_config in _torch/model_config.py, 1.2)."""

ARCHITECTURES = frozenset(
    (
        "DeciLMForCausalLM",
        "DeepseekV3ForCausalLM",
        "DeepseekV32ForCausalLM",
        "Exaone4ForCausalLM",
        "ExaoneMoEForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "Glm4MoeForCausalLM",
        "GptOssForCausalLM",
        "LlamaForCausalLM",
        "Llama4ForConditionalGeneration",
        "MiniMaxM2ForCausalLM",
        "MistralForCausalLM",
        "Mistral3ForConditionalGeneration",
        "MixtralForCausalLM",
        "NemotronForCausalLM",
        "NemotronHForCausalLM",
        "Phi3ForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "Qwen3NextForCausalLM",
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "SeedOssForCausalLM",
    )
)
"""Of those in the catalog what TensorRT-LLM 1.2 has a class of, by its documentation (models/supported-models) and by
what people's reports say of its `MODEL_CLASS_MAPPING`."""


def check_device(model: Model, device: Device) -> None:
    """The accelerator runs this engine, and the engine reads this checkpoint.

    Raises:
        Refusal: `engine_not_on_ascend`, `gpu_too_old`, `quantization_needs_newer_gpu` or `quantization_not_read`.
        Unplanned: it is a machine's processors.
    """
    if device.kind == "ascend":
        raise Refusal(
            "engine_not_on_ascend",
            "engine",
            f"tensorrt-llm doesn't run on {device.name}",
            changes=[Change("engine", "vllm-ascend")],
        )
    if device.capability is None:
        raise Unplanned("accelerator.kind", "TensorRT-LLM has no build for processors", "use machines with NVIDIA GPUs")
    if device.capability < BF16:
        raise Refusal(
            "gpu_too_old",
            "gpu",
            f"{device.name} has compute capability {device.capability}; TensorRT-LLM needs {BF16}",
            "use a newer GPU such as A10 or L20",
        )
    q = model.quantization
    if q.name not in READ.get(q.method, ()):
        raise Refusal(
            "quantization_not_read",
            "model",
            f"is quantized with {q.name}, which TensorRT-LLM 1.2 doesn't read from config.json",
            "use the checkpoint in bf16 or block-wise FP8, or NVIDIA's in FP8 or NVFP4",
            [Change("engine", "llamacpp" if q.method == "gguf" else "vllm")],
        )
    needed = {"nvfp4": FP4, "fp8": NATIVE_FP8, "fp8_block": NATIVE_FP8, "mxfp4": BF16}.get(q.method, 0.0)
    if device.capability < needed:
        raise Refusal(
            "quantization_needs_newer_gpu",
            "gpu",
            f"{device.name} has compute capability {device.capability}, and {q.name} weights need {needed}",
            "use a newer GPU, or a checkpoint in bf16",
        )
