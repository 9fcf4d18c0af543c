"""The Python language host and the command plugin, from our own Go module."""

from __future__ import annotations

import shutil
from pathlib import Path

from toolchain.gobuild import go_build, module_dir
from toolchain.part import Part
from toolchain.paths import source_dir

_MODULE = source_dir() / "plugins"
_EXECUTOR = "pulumi-language-python-exec"


def _build(directory: Path) -> None:
    names = ("pulumi-language-python", "pulumi-resource-command")
    go_build(_MODULE, {name: f"./cmd/{name}" for name in names}, directory)
    sdk = module_dir(_MODULE, "github.com/pulumi/pulumi/sdk/v3")
    shutil.copyfile(sdk / "python" / "cmd" / _EXECUTOR, directory / _EXECUTOR)
    (directory / _EXECUTOR).chmod(0o755)


PART = Part(
    name="host",
    programs=("pulumi-language-python", _EXECUTOR, "pulumi-resource-command"),
    build=_build,
    sources={"host": _MODULE},  # the folder's first name, in the keys of what was built
)
