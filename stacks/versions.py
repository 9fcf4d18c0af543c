"""Every version Tandem puts on a machine, in one place.

A user's setting wins over these; they're what a deployment gets when nothing is said.
"""

from typing import Final

# Model hub clients on the machine that downloads (read and run with these: docs/weights.md).
HUGGINGFACE_HUB: Final = "2.4.0"
MODELSCOPE: Final = "1.40.2"

# Container images. Since 0.18 vLLM's own image holds no Ray: `executor: mp` needs none,
# `executor: ray` needs an image derived from it (docs/images.md).
VLLM_IMAGE: Final = "vllm/vllm-openai:v0.33.0"
GATEWAY_IMAGE: Final = "nginx:1.28"

# Oldest Docker that speaks `docker system dial-stdio`, which the docker provider needs over SSH.
DOCKER_MINIMUM: Final = "18.09"
