"""Which accelerators are used: counts, devices and environment that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stacks.settings.devices import as_devices
from stacks.settings.errors import Mistake
from stacks.settings.stack import Settings

HIDERS = (
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ASCEND_RT_VISIBLE_DEVICES",
    "ASCEND_VISIBLE_DEVICES",
)
"""Variables that choose accelerators for one process."""


def device_mistakes(settings: Settings) -> Iterator[Mistake]:
    """What devices, counts and environment don't allow together."""
    accelerator = settings.accelerator
    for path, devices, count in _places(settings):
        if accelerator.kind == "cpu":
            yield Mistake(f"{path}.devices: kind cpu has none to choose from; take it out", {f"{path}.devices": None})
        elif accelerator.kind == "ascend" and any("-" in name for name in devices):
            yield Mistake(f"{path}.devices: Ascend devices are named by their numbers, such as 0; give these")
        elif settings.cloud is not None:
            yield Mistake(
                f"{path}.devices: rented machines come without other tenants; take it out, and choose an instance type "
                "with as many GPUs as are wanted",
                {f"{path}.devices": None},
            )
        elif count is not None and count[1] != len(devices):
            where, number = count
            yield Mistake(
                f"{path}.devices: names {len(devices)}, and {where} is {number}; set {where} to {len(devices)}, or "
                "take it out",
                {where: len(devices)},
            )
    if accelerator.kind == "cpu":
        return
    for name in HIDERS:
        if name in settings.serving.environment:
            yield _hidden(settings, name)


def _places(settings: Settings) -> Iterator[tuple[str, tuple[str, ...], tuple[str, int] | None]]:
    """Where devices are named: path, devices, and the count that is given beside them with its path."""
    accelerator = settings.accelerator
    if accelerator.devices:
        count = (
            ("accelerator.perMachine", accelerator.per_machine)
            if "per_machine" in accelerator.model_fields_set
            else None
        )
        yield "accelerator", accelerator.devices, count
    for number, machine in enumerate(settings.machines):
        path = f"machines[{number}]"
        own = None if machine.accelerators is None else (f"{path}.accelerators", machine.accelerators)
        if machine.devices:
            yield path, machine.devices, own
        elif accelerator.devices and own is not None:
            yield path, accelerator.devices, own


def _hidden(settings: Settings, name: str) -> Mistake:
    value = settings.serving.environment[name]
    rest = {key: text for key, text in settings.serving.environment.items() if key != name}
    try:
        devices = as_devices(value)
    except ValueError:
        devices = ()
    if not devices:
        return Mistake(
            f"serving.environment: {name} chooses accelerators for the engine alone; take it out, and name them in "
            "accelerator.devices, which Docker, driver check and collective follow too",
            {"serving.environment": rest},
        )
    changes: dict[str, Any] = {"serving.environment": rest}
    if not settings.accelerator.devices and not any(machine.devices for machine in settings.machines):
        changes["accelerator.devices"] = [int(part) if part.isdigit() else part for part in devices]
    return Mistake(
        f"serving.environment: {name} chooses accelerators for the engine alone; take it out, and set "
        f"accelerator.devices to [{', '.join(devices)}] (or each machine's own), which Docker, driver check and "
        "collective follow too",
        changes,
    )
