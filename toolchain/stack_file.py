"""A stack's configuration file outside the checkout: Pulumi writes a salt into the file it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from toolchain.environment import environment
from toolchain.errors import ToolchainError
from toolchain.paths import state_dir

SALT = "encryptionsalt:"


def stack_file(name: str) -> Path:
    """Return where the copy of ``Pulumi.NAME.yaml`` for ``pulumi --config-file`` lies; ``prepare`` makes it."""
    return state_dir() / f"Pulumi.{name}.yaml"


def prepare(name: str, project: Path) -> Path:
    """Create the stack unless it exists, and write the copy anew, with the stack's own salt; return the copy.

    Args:
        name: the stack.
        project: folder with Pulumi.yaml and Pulumi.NAME.yaml, which stay as they are.

    Raises:
        ToolchainError: there is no such file, or Pulumi can't create the stack.

    """
    source, target = project / f"Pulumi.{name}.yaml", stack_file(name)
    if not source.exists():
        raise ToolchainError(f"There is no {source.name}: copy Pulumi.hosts.yaml to it and change it.")
    own = {**os.environ, **environment()}
    listed = subprocess.run(
        ["pulumi", "stack", "ls", "--json"], cwd=project, env=own, capture_output=True, text=True, check=False
    )
    exists = f'"name": "{name}"' in listed.stdout
    salt = next((line for line in _lines(target) if line.startswith(SALT)), "") if exists else ""
    if not exists:
        # `stack init` knows no --config-file: it writes into the folder of the Pulumi.yaml that it finds.
        with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
            shutil.copy(project / "Pulumi.yaml", folder)
            made = subprocess.run(
                ["pulumi", "stack", "init", name, "--no-select", "--non-interactive"],
                cwd=folder,
                env=own,
                capture_output=True,
                text=True,
                check=False,
            )
            if made.returncode:
                raise ToolchainError(f"Pulumi can't create the stack {name}: {made.stderr.strip()}")
            salt = next((line for line in _lines(Path(folder) / source.name) if line.startswith(SALT)), "")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.new")
    draft.write_text("".join(f"{line}\n" for line in (salt, *_lines(source)) if line))
    draft.rename(target)
    return target


def _lines(file: Path) -> list[str]:
    return list(file.read_text().splitlines()) if file.exists() else []
