"""The tags of everything that is rented."""

from __future__ import annotations

PROJECT, STACK, OWNER, ROLE = "tandem-project", "tandem-stack", "tandem-owner", "tandem-role"


def tags_of(project: str, stack: str, owner: str, role: str = "") -> dict[str, str]:
    """Project, stack and owner; the role (machine, fetcher, weights) where it matters."""
    return {PROJECT: project, STACK: stack, OWNER: owner} | ({ROLE: role} if role else {})
