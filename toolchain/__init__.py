"""Pulumi and its plugins: the official ones where they can be downloaded, otherwise built from published modules.

``python -m toolchain ensure`` makes them be here, ``eval "$(python -m toolchain env)"`` makes a shell use them;
``environment()`` is the same for programs. Nothing is ever written into the source tree.
"""

from toolchain.environment import environment
from toolchain.errors import ToolchainError

__all__ = ["ToolchainError", "environment"]
