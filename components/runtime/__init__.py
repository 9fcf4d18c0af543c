"""What workloads run in, chosen once by setting `runtime`: containers, or the machine itself (docs/decisions/0016)."""

from components.runtime.docker import DockerHost
from components.runtime.native import NativeHost
from components.runtime.runtime import RuntimeName, find_runtime

__all__ = ["DockerHost", "NativeHost", "RuntimeName", "find_runtime"]
