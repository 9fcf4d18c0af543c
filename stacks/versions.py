"""Every version Tandem puts on a machine, in one place.

A user's setting wins over these; they're what a deployment gets when nothing is said.
"""

from typing import Final

# Container images. Since 0.18 vLLM's own image holds no Ray: `executor: mp` needs none,
# `executor: ray` needs an image derived from it (docs/images.md).
VLLM_IMAGE: Final = "vllm/vllm-openai:v0.33.0"
GATEWAY_IMAGE: Final = "nginx:1.28"

# The page to chat on; tests/e2e/test_webui.py runs the package.
WEBUI_IMAGE: Final = "ghcr.io/open-webui/open-webui:v0.12.4"
WEBUI_PACKAGES: Final = ("open-webui==0.12.4",)

# The same engines as pip packages, for machines without containers.
ENGINE_PACKAGES: Final = {
    "vllm": ("vllm==0.33.0",),
    "sglang": ("sglang==0.5.23",),
}

# Other engines. Those marked derived exist only once you have made them (docs/engines.md).
ENGINE_IMAGES: Final = {
    "sglang": "lmsysorg/sglang:v0.5.23",
    "llamacpp": "an image derived from ghcr.io/ggml-org/llama.cpp",
    "ollama": "an image derived from ollama/ollama:0.17.4",
    "tensorrt-llm": "nvcr.io/nvidia/tensorrt-llm/release:1.2.1",
    "vllm-ascend": "quay.io/ascend/vllm-ascend:v0.23.0",
    "vllm-mindspore": "hub.oepkgs.net/oedeploy/openeuler/aarch64/mindspore:latest",
}

# What an engine's image takes on a disk, downloaded and unpacked, GiB, with some room; registries tell the first half.
IMAGE_GIB: Final = {
    "vllm": 45,
    "sglang": 55,
    "tensorrt-llm": 75,
    "vllm-ascend": 35,
    "vllm-mindspore": 45,
    "llamacpp": 15,
    "ollama": 15,
}
IMAGE_GIB_UNKNOWN: Final = 60
IMAGE_GIB_CPU: Final = 10
