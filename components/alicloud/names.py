"""What the account lets a stack be called: names of what is rented begin with the stack's own."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,63}")
"""The strictest of all: CreateAccessGroup of NAS."""


def unusable(stack: str) -> str:
    """Why nothing in the account can be named after a stack; empty when everything can.

    Args:
        stack: the deployment's own name, PROJECT-STACK.
    """
    if _NAME.fullmatch(stack):
        return ""
    return (
        f"the stack's name: Alibaba Cloud can't name anything {stack} ({len(stack)} characters): it takes 3 to 64 "
        "letters, digits, - and _, a letter first; `pulumi stack rename` gives the stack another name"
    )
