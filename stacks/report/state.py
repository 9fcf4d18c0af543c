"""What Pulumi keeps of a stack, and what would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.machine.payload import parse_result
from stacks.ask_pulumi import PulumiError, ask_pulumi


class StateError(Exception):
    """Pulumi gave no answer; one sentence."""


@dataclass(frozen=True)
class Difference:
    """One resource that isn't as it is declared.

    Attributes:
        name: its Pulumi name.
        type: its type's last part.
        operation: what `pulumi up` would do: create, update, replace or delete.
        properties: those that differ.
    """

    name: str
    type: str
    operation: str
    properties: tuple[str, ...]


def resources(stack: str) -> list[dict[str, Any]]:
    """All resources of the state, secrets sealed.

    Raises:
        StateError: it can't be read.
    """
    return list((_pulumi("stack", "export", "--stack", stack).get("deployment") or {}).get("resources") or [])


def outputs(stack: str) -> dict[str, Any]:
    """The stack's outputs, secrets hidden.

    Raises:
        StateError: it has none that can be read.
    """
    return _pulumi("stack", "output", "--json", "--stack", stack)


def differences(stack: str, config_file: Path | None = None) -> list[Difference]:
    """What differs from the declared state, on machines and in the account, as a preview with refresh sees it.

    Raises:
        StateError: the preview failed.
    """
    words = ["preview", "--json", "--refresh", "--stack", stack]
    words += ["--config-file", str(config_file)] if config_file else []
    found = []
    for step in _pulumi(*words).get("steps") or []:
        urn, operation = step["urn"], step["op"]
        if operation in ("same", "refresh", "read"):
            continue
        kind, name = urn.split("::")[-2:]
        changed = tuple(step.get("diffReasons") or step.get("detailedDiff") or ())
        found.append(Difference(name, kind.rsplit("$", 1)[-1].rsplit(":", 1)[-1], operation, changed))
    return found


def facts(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """What each machine said of itself as it was prepared: nic, hostname, addresses, memory_mib, driver and more."""
    said = {}
    for each in found:
        name = each["urn"].rsplit("::", 1)[-1]
        stdout = (each.get("outputs") or {}).get("stdout")
        if name.endswith("-prepare-done") and isinstance(stdout, str):
            said[name.removesuffix("-prepare-done")] = parse_result(stdout)
    return said


def _pulumi(*words: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = ask_pulumi(*words)
    except PulumiError as error:
        raise StateError(f"`pulumi {words[0]} {words[1]}`: {error}") from None
    return found
