"""Every version Tandem puts on a machine, in one place.

A user's setting wins over these; they're what a deployment gets when nothing is said.
"""

from typing import Final

# Model hub clients on the machine that downloads; tests/e2e/test_hub_clients.py runs these.
HUGGINGFACE_HUB: Final = "2.4.0"
MODELSCOPE: Final = "1.40.2"

# Container images. Since 0.18 vLLM's own image holds no Ray: `executor: mp` needs none,
# `executor: ray` needs an image derived from it (docs/images.md).
VLLM_IMAGE: Final = "vllm/vllm-openai:v0.33.0"
GATEWAY_IMAGE: Final = "nginx:1.28"
