"""Provider plugins for an official CLI: Pulumi's own where it can get them, ours where it can't."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from toolchain.assembly import assemble, plugin_dir, plugins_of
from toolchain.part import Part
from toolchain.versions import versions

# Enough for the largest plugin over a slow line; Pulumi gives up by itself much earlier when it reaches nobody.
_INSTALL_SECONDS = 600.0


def installed(plugin: str) -> bool:
    """Tell whether Pulumi has its own plugin at the pinned version."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    return (home / "plugins" / f"resource-{plugin}-v{versions().plugins[plugin]}").is_dir()


def missing(part: Part) -> list[str]:
    """Return the plugins of a part that neither Pulumi nor we have."""
    return [plugin for plugin in plugins_of(part) if not installed(plugin) and not part.present()]


def install(pulumi: Path, plugin: str) -> bool:
    """Have the CLI at ``pulumi`` download a plugin; tell whether it did."""
    command = [str(pulumi), "plugin", "install", "resource", plugin, versions().plugins[plugin]]
    try:
        subprocess.run(command, capture_output=True, timeout=_INSTALL_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return installed(plugin)


def describe(part: Part) -> list[str]:
    """Put our plugins in their places where Pulumi has none; return one line a plugin."""
    lines = []
    for plugin in plugins_of(part):
        if installed(plugin):
            lines.append(f"{plugin}: official plugin {versions().plugins[plugin]}, installed by Pulumi")
        else:
            assemble(part)
            lines.append(f"{plugin}: built here, because Pulumi could not download its own; in {plugin_dir(plugin)}")
    return lines


def ours(parts: list[Part]) -> list[Path]:
    """Return the folders of our plugins that an official CLI needs on PATH."""
    return [plugin_dir(name) for part in parts if part.present() for name in plugins_of(part) if not installed(name)]
