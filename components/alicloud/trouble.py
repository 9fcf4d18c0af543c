"""What went wrong, out of the text that the provider or the API gives."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.alicloud.causes import remedy

_CODE = re.compile(r'(?:Error)?Code: ?"?([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)')
_BROKEN = re.compile(
    r"\bEOF\b|connection reset|broken pipe|i/o timeout|Client\.Timeout|deadline exceeded|TLS handshake timeout"
)
LOST = "the connection broke before the answer came"
LOOK_AGAIN = '`pulumi refresh --yes --target "**alicloud:ecs/instance:Instance::**"`, then `pulumi up`'
"""What finds out that a machine is gone and rents another.

A refresh of everything fails with the official plugins where a step's machine can't be reached, as one that is gone or
switched off.
"""


@dataclass(frozen=True)
class Trouble:
    """A refusal.

    Attributes:
        why: the cloud's code, or the cause in words where there is none.
        remedy: what mends it; empty where the code says nothing that is known here.
        lost: whether the action may have taken place all the same.
    """

    why: str
    remedy: str = ""
    lost: bool = False


def trouble(error: str) -> Trouble:
    """What an error of the provider or of the API says.

    Args:
        error: its whole text; `Code: X` in it is the cloud's own code.
    """
    found = _CODE.search(error)
    if found:
        return Trouble(found[1], remedy(found[1]))
    if _BROKEN.search(error):
        return Trouble(LOST, lost=True)
    return Trouble((error.strip().splitlines() or ["no reason given"])[-1][:200])
