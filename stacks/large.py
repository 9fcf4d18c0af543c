"""What makes a program of a thousand resources cheap to run."""

from __future__ import annotations

import gc
import os

import pulumi


def spare_large_graphs() -> None:
    """Switches off what grows with the graph and serves nobody. docs/hosts.md has the figures.

    Everything declared is needed until the program ends, so the collector of cycles reads all of it again and again
    and frees next to nothing. And the SDK tells the engine of its own doings some five times a resource, each time
    waiting for an answer; TANDEM_SDK_DEBUG=1 brings them back for `pulumi up --debug`.
    """
    gc.disable()
    if not os.environ.get("TANDEM_SDK_DEBUG"):
        pulumi.log.debug = lambda *_, **__: None
