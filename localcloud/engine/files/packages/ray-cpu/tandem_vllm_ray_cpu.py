"""Tells vLLM which platform class to use; vLLM calls it while it starts, before it is fully imported."""


def register() -> str:
    """Return the dotted name of the platform class."""
    return "tandem_vllm_ray_cpu_platform.RayCpuPlatform"
