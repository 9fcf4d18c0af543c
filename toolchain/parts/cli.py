"""The Pulumi CLI and engine, from their published Go module."""

from __future__ import annotations

from pathlib import Path

from toolchain.gobuild import go_build
from toolchain.part import Part
from toolchain.paths import source_dir

_MODULE = source_dir() / "cli"


def _build(directory: Path) -> None:
    go_build(_MODULE, {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"}, directory)


PART = Part(name="cli", programs=("pulumi",), build=_build, sources=(_MODULE,))
