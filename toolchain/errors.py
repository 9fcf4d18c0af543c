"""The one exception of the toolchain."""

from __future__ import annotations


class ToolchainError(Exception):
    """Something the user can mend; its text is one sentence that ends in the remedy."""
