"""The built parts put together as Pulumi looks for them: programs beside each other, plugins in versioned folders."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from toolchain.part import Part
from toolchain.parts import all_parts
from toolchain.paths import cache_dir, state_dir
from toolchain.versions import versions

_PLUGIN = "pulumi-resource-"


def tools_dir() -> Path:
    """Return the folder for the parts as their sources are now: ``bin`` and ``plugins`` are in it."""
    keys = " ".join(f"{name}={part.key()}" for name, part in sorted(all_parts().items()))
    return cache_dir() / "tools" / hashlib.sha256(keys.encode()).hexdigest()[:16]


def plugins_of(part: Part) -> list[str]:
    """Return the names of the providers that a part is the plugin of."""
    return [program.removeprefix(_PLUGIN) for program in part.programs if program.startswith(_PLUGIN)]


def plugin_dir(name: str) -> Path:
    """Return the folder of our plugin for a provider, named as Pulumi names it."""
    return tools_dir() / "plugins" / f"resource-{name}-v{versions().plugins[name]}"


def assemble(part: Part) -> None:
    """Put the programs of a built part in their places; doing it again changes nothing.

    Hard links in ``bin``, because Pulumi looks for the language host beside its own, resolved, executable. Symbolic
    links in ``plugins``, so that a plugin finds what was built beside it.
    """
    for program in part.programs:
        built = part.directory() / program
        if program.startswith(_PLUGIN):
            _place(plugin_dir(program.removeprefix(_PLUGIN)) / program, built, symbolic=True)
        else:
            _place(tools_dir() / "bin" / program, built, symbolic=False)


def home_dir() -> Path:
    """Return PULUMI_HOME, made if needed: which stack is selected is kept there, the plugins are those of the cache."""
    home = state_dir() / "home"
    home.mkdir(parents=True, exist_ok=True)
    _place(home / "plugins", tools_dir() / "plugins", symbolic=True)
    return home


def _place(link: Path, target: Path, *, symbolic: bool) -> None:
    """Make ``link`` be ``target``, in one step for whoever looks at it meanwhile."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if symbolic:
        if link.is_symlink() and link.readlink() == target:
            return
    elif link.exists() and link.samefile(target):
        return
    fresh = link.with_name(f".{link.name}.{secrets.token_hex(4)}")
    if symbolic:
        fresh.symlink_to(target)
    else:
        fresh.hardlink_to(target)
    fresh.replace(link)
