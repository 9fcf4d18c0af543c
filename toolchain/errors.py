"""The one exception of the toolchain."""

from __future__ import annotations


class ToolchainError(Exception):
    """Something the user can put right; its text is one sentence that ends in the remedy."""
