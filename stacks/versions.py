"""Every version that Tandem puts on a machine or counts by, in one place.

A user's setting wins over these; they're what a deployment gets when nothing is said. The planner keeps the rules of
each vLLM version as data (planner/catalog/data/vllm_versions.yaml); which of these count is said here.
"""

from typing import Final

VLLM: Final = "0.33.0"
SGLANG: Final = "0.5.23"
OLLAMA: Final = "0.17.4"
TENSORRT_LLM: Final = "1.2.1"
VLLM_ASCEND: Final = "0.23.0"
RAY: Final = "2.60.0"
LLAMACPP: Final = "11434.0.0"  # llama.cpp b11434
OPEN_WEBUI: Final = "0.12.4"
CUDA: Final = "13.0"

# Rules of vLLM that the planner counts by.
UNKNOWN_VLLM: Final = VLLM  # where nobody says which it is
DERIVED_VLLM: Final = "0.24.0"  # for engines that have their rules from vLLM
VLLM_MULTI_NODE: Final = (0, 12)  # the first with `--nnodes`; the images before hold Ray (until 0.17.1)

# Container images. None is pinned by digest here: the registries could not be asked where this was written.
# The output `engineImage` is what a tag was when it was pulled (docs/images.md).
VLLM_REPOSITORY: Final = "vllm/vllm-openai"
VLLM_IMAGE: Final = f"{VLLM_REPOSITORY}:v{VLLM}"
GATEWAY_IMAGE: Final = "nginx:1.28"

# The page to chat on; tests/e2e/test_webui.py runs the package.
WEBUI_IMAGE: Final = f"ghcr.io/open-webui/open-webui:v{OPEN_WEBUI}"
WEBUI_PACKAGES: Final = (f"open-webui=={OPEN_WEBUI}",)

# The same engines as pip packages, for machines without containers.
ENGINE_PACKAGES: Final = {"vllm": (f"vllm=={VLLM}",), "sglang": (f"sglang=={SGLANG}",)}

# An engine's image, or what its image is made from: what one lacks is added on the machines (docs/images.md).
ENGINE_IMAGES: Final = {
    "vllm": VLLM_IMAGE,
    "sglang": f"lmsysorg/sglang:v{SGLANG}",
    "llamacpp": f"nvidia/cuda:{CUDA}.1-runtime-ubuntu24.04",
    "ollama": f"ollama/ollama:{OLLAMA}",
    "tensorrt-llm": f"nvcr.io/nvidia/tensorrt-llm/release:{TENSORRT_LLM}",
    "vllm-ascend": f"quay.io/ascend/vllm-ascend:v{VLLM_ASCEND}",
    "vllm-mindspore": "hub.oepkgs.net/oedeploy/openeuler/aarch64/mindspore:latest",
}
# The same for accelerator cpu, where it differs.
CPU_IMAGES: Final = {"llamacpp": "ubuntu:24.04"}

# What an engine's image takes on a disk, downloaded and unpacked, GiB, with some to spare.
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

# Arguments of image builds, by the build's folder in components/serving/images. A name that ends in _IMAGE is pulled
# first.
LLAMACPP_SOURCE: Final = {
    "VERSION": LLAMACPP,
    "SHA256": "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45",
}
IMAGE_ARGUMENTS: Final = {
    "ray": {"RAY": RAY},
    "llamacpp": {**LLAMACPP_SOURCE, "DEVEL_IMAGE": f"nvidia/cuda:{CUDA}.1-devel-ubuntu24.04"},
    "ollama": {},
}
CPU_IMAGE_ARGUMENTS: Final = {"llamacpp": {**LLAMACPP_SOURCE, "DEVEL_IMAGE": "ubuntu:24.04"}}
