"""Every version Tandem puts on a machine, in one place.

A user's setting wins over these; they're what a deployment gets when nothing is said.
"""

from typing import Final

# Container images. None is pinned by digest here: the registries could not be asked where this was written.
# The output `engineImage` is what a tag was when it was pulled (docs/images.md).
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

# An engine's image, or what its image is made from: what one lacks is added on the machines (docs/images.md).
ENGINE_IMAGES: Final = {
    "vllm": VLLM_IMAGE,
    "sglang": "lmsysorg/sglang:v0.5.23",
    "llamacpp": "nvidia/cuda:13.0.1-runtime-ubuntu24.04",
    "ollama": "ollama/ollama:0.17.4",
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
# The same for accelerator cpu, where it differs.
CPU_IMAGES: Final = {"llamacpp": "ubuntu:24.04"}

# What recipes of images are told, by the recipe's folder in components/serving/images. A name that ends in _IMAGE is
# pulled first.
RAY: Final = "2.60.0"
LLAMACPP_SOURCE: Final = {
    "VERSION": "11434.0.0",  # llama.cpp b11434
    "SHA256": "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45",
}
IMAGE_ARGUMENTS: Final = {
    "ray": {"RAY": RAY},
    "llamacpp": {**LLAMACPP_SOURCE, "DEVEL_IMAGE": "nvidia/cuda:13.0.1-devel-ubuntu24.04"},
    "ollama": {},
}
CPU_IMAGE_ARGUMENTS: Final = {"llamacpp": {**LLAMACPP_SOURCE, "DEVEL_IMAGE": "ubuntu:24.04"}}
