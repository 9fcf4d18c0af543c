"""No two programs want the same port of a machine."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.settings.errors import Mistake
from stacks.settings.ports import Ports
from stacks.settings.ports import table as port_table
from stacks.settings.stack import Settings

SSH = 22


def port_mistakes(settings: Settings) -> Iterator[Mistake]:
    """One sentence for each two that want the same port, and for each that wants SSH's."""
    found = port_table(settings)
    machines = settings.machines
    for number, one in enumerate(found):
        if one.last > 65535:
            yield Mistake(
                f"{one.setting}: {one.purpose} need {one.span}, and ports end at 65535; set it to a lower one"
            )
        for reached in sorted({SSH, *(machine.port for machine in machines)}):
            if one.first <= reached <= one.last:
                yield Mistake(f"{one.setting}: {reached} is where the machines' SSH listens; set it to another")
        for other in found[:number]:
            if one.meets(other):
                yield Mistake(
                    f"{one.setting}: {one.purpose} ({one.span}) and {other.purpose} ({other.setting}, {other.span}) "
                    f"want the same port of one machine; set {one.setting} to {_free(one, found)}"
                )


def _free(one: Ports, found: list[Ports]) -> str:
    """The nearest hundred above that nobody else wants."""
    length = one.last - one.first
    for first in range(one.first + 100, 65535 - length, 100):
        moved = Ports(one.setting, first, first + length, one.purpose, one.where)
        if not any(moved.meets(other) for other in found if other is not one):
            return f"{first}-{first + length}" if one.setting == "serving.rayWorkerPorts" else str(first)
    return "another"
