"""What Pulumi.yaml says of the project, for commands that run outside Pulumi."""

from __future__ import annotations

from pathlib import Path

import yaml


def project_name(root: Path) -> str:
    """The Pulumi project's name.

    Args:
        root: the folder of Pulumi.yaml.
    """
    return str(yaml.safe_load((root / "Pulumi.yaml").read_text())["name"])
