"""Provider plugins made of our bridge and the Terraform provider that the official plugin wraps."""

from __future__ import annotations

import subprocess
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.gobuild import go_build
from toolchain.part import Part
from toolchain.paths import source_dir

_BRIDGE = source_dir() / "bridge"


def bridged_part(name: str, package: str) -> Part:
    """Return the part that builds ``pulumi-resource-<name>`` in front of the Terraform provider ``package``.

    The Terraform provider is built from ``toolchain/bridge/upstream/<name>``, a Go module that pins it, and its
    schemas are saved beside it, so that the plugin need not start it to know them.
    """
    upstream = _BRIDGE / "upstream" / name

    def build(directory: Path) -> None:
        plugin = f"pulumi-resource-{name}"
        go_build(_BRIDGE, {plugin: "."}, directory)
        go_build(upstream, {f"terraform-provider-{name}": package}, directory)
        done = subprocess.run([directory / plugin, "--save-schemas"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolchainError(f"The {name} plugin was built but its provider does not answer: {done.stderr.strip()}")

    return Part(
        name=name,
        programs=(f"pulumi-resource-{name}",),
        build=build,
        sources={
            **{each: _BRIDGE / each for each in ("main.go", "go.mod", "go.sum", "internal")},
            f"{name}.json": _BRIDGE / "providers" / f"{name}.json",
            name: upstream,
        },
    )
