"""What makes a program of a thousand resources cheap to run."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
from collections.abc import Mapping

import pulumi

COLLECT = (100_000, 50, 1000)
"""New objects until the young are looked at, and how often they are until older ones are; Python's own: 700, 10, 10."""


def spare_large_graphs() -> None:
    """Has less of what grows with the graph and serves nobody. docs/decisions/0017 has the figures.

    Everything declared is needed until the program ends, so the collector of cycles reads all of it again and again
    and frees next to nothing: it looks less often, and not at all as the interpreter ends. And the SDK tells the engine
    of its own doings some five times a resource, each time waiting for an answer; TANDEM_SDK_DEBUG=1 brings them back
    for `pulumi up --debug`.
    """
    gc.set_threshold(*COLLECT)
    atexit.register(gc.freeze)
    if not os.environ.get("TANDEM_SDK_DEBUG"):
        pulumi.log.debug = lambda *_, **__: None


async def settled(outputs: Mapping[str, pulumi.Output[object]]) -> None:
    """Waits until the last output is known, or will never be.

    Whenever one output becomes known the SDK's own wait looks at all that aren't. Waiting first leaves it nothing to
    look at; what went wrong it finds by itself, and tells.
    """
    with contextlib.suppress(Exception):
        await pulumi.Output.all(*outputs.values()).future()
