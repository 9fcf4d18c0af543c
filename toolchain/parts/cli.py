"""The Pulumi CLI and engine, from their published Go module."""

from __future__ import annotations

from pathlib import Path

from toolchain.gobuild import go_build
from toolchain.part import Part
from toolchain.paths import source_dir
from toolchain.versions import versions

_MODULE = source_dir() / "cli"
# A release's linker sets this too; without it the CLI doesn't know its version and programs refuse it.
_VERSION = {"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": f"v{versions().pulumi}"}


def _build(directory: Path) -> None:
    go_build(_MODULE, {"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"}, directory, _VERSION)


PART = Part(name="cli", programs=("pulumi",), build=_build, sources={"cli": _MODULE}, versions=_VERSION)
