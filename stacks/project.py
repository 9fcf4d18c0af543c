"""What Pulumi.yaml says of the project, for commands that run outside Pulumi."""

from __future__ import annotations

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
"""The folder of Pulumi.yaml, in which Pulumi runs."""


def project_name() -> str:
    """The Pulumi project's name."""
    return str(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["name"])


def full_name(stack: str) -> str:
    """A stack's own name on machines and in the account, `<project>-<stack>`."""
    return f"{project_name()}-{stack}"
