"""NVIDIA GPUs: driver, Fabric Manager, memory errors, links."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from stacks.doctor.addresses import Place
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning
from stacks.doctor.machine_probe import HOST_FILES

if str(HOST_FILES) not in sys.path:
    sys.path.append(str(HOST_FILES))

import drivers  # lies in a folder that is no package: it travels to machines

DRIVER = {
    "absent": "nvidia-smi is not there",
    "unloaded": "the kernel has no driver",
    "mismatch": "an older driver is loaded than is installed",
    "none": "the driver drives no GPU",
    "lost": "a GPU has fallen off the bus",
    "broken": "the driver does not work",
}
"""States of components/host/files/nvidia_state.sh, in words."""
REMEDY = {
    "mismatch": "reboot",
    "lost": "power the machine off and on, and have the GPU replaced if it stays away",
    "none": "power the machine off and on",
}
FATAL_XIDS = {48, 63, 64, 74, 79, 92, 94, 95, 119, 120, 140}
"""XIDs that stand for hardware (NVIDIA's "Xid Errors": memory, NVLink, off the bus, GSP)."""


@dataclass(frozen=True)
class Gpu:
    """A line of nvidia.sh."""

    index: str
    name: str
    errors: str
    generation: str
    width: str
    width_most: str
    temperature: str
    too_hot: str
    slowed: str


def _said(evidence: Evidence) -> list[tuple[Place, dict[str, list[str]]]]:
    if evidence.settings.accelerator.kind != "nvidia":
        raise NotApplicableError
    return evidence.facts("nvidia")


def _one(found: dict[str, list[str]], name: str) -> str:
    return (found.get(name) or [""])[0]


def _working(evidence: Evidence) -> list[tuple[Place, dict[str, list[str]]]]:
    working = [(place, found) for place, found in _said(evidence) if _one(found, "state") == "working"]
    if not working:
        raise NotCheckedError("no driver works")
    return working


def _gpus(found: dict[str, list[str]]) -> list[Gpu]:
    lines = [[word.strip() for word in line.split(",")] for line in found.get("gpu", [])]
    return [Gpu(*words) for words in lines if len(words) == len(Gpu.__dataclass_fields__)]


def driver(evidence: Evidence) -> Iterator[Problem]:
    """Whether the driver works and is new enough for the engine's CUDA."""
    cuda = evidence.settings.accelerator.cuda
    versions, old = {}, False
    for place, found in _said(evidence):
        state = _one(found, "state")
        if state != "working":
            words = _one(found, "words")
            remedy = REMEDY.get(state, f"pulumi up --stack {evidence.stack.name}, which installs one")
            yield error(place.name, f"{DRIVER.get(state, state)} ({words})", remedy)
            continue
        versions[place.name] = _one(found, "version")
        branch, oldest = int(versions[place.name].partition(".")[0] or 0), drivers.oldest_branch(cuda)[1]
        if branch < oldest and branch not in drivers.FORWARD_COMPATIBLE.get(int(cuda.partition(".")[0]), ()):
            old = True
            yield error(
                place.name,
                f"driver {versions[place.name]} is older than CUDA {cuda} needs, {oldest}",
                f"set accelerator.driverBranch to {oldest} or newer and pulumi up, or accelerator.cuda to the image's",
            )
    if len(set(versions.values())) > 1 and not old:
        said = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield warning(
            "machines",
            f"drivers differ ({said})",
            "set accelerator.driverBranch, and bring all machines to one version",
        )


def count(evidence: Evidence) -> Iterator[Problem]:
    """Whether each machine has the GPUs that are used."""
    settings, working = evidence.settings, _working(evidence)
    on_bus = {place.name: len(found["gpus"]) for place, found in evidence.facts("bus")}
    for place, found in working:
        number, wanted = int(_one(found, "count")), settings.accelerators[place.number or 0]
        slices = any(each.startswith("MIG-") for each in settings.devices[place.number or 0])
        if number < (1 if slices else wanted) or number < on_bus.get(place.name, number):
            yield error(
                place.name,
                f"{wanted} GPUs are used, the bus has {on_bus.get(place.name)}, the driver sees {number}",
                "power the machine off and on, and see `dmesg | grep -i xid`",
            )


def fabric(evidence: Evidence) -> Iterator[Problem]:
    """Whether Fabric Manager runs in the driver's version, on machines with NVSwitch."""
    working = _working(evidence)
    switched = {place.name for place, found in evidence.facts("bus") if found["switches"]}
    if not switched:
        raise NotApplicableError
    for place, found in working:
        if place.name not in switched:
            continue
        version, own, unit = _one(found, "version"), _one(found, "fabric_version"), _one(found, "fabric_unit")
        if unit != "active":
            yield error(
                place.name,
                f"Fabric Manager is {unit or 'not there'}, so CUDA ends with error 802",
                "systemctl restart nvidia-fabricmanager",
            )
        elif own != version:
            yield error(
                place.name,
                f"Fabric Manager is {own} and the driver {version}, so CUDA ends with error 802",
                f"install nvidia-fabricmanager-{version.partition('.')[0]} of the driver's version",
            )


def memory(evidence: Evidence) -> Iterator[Problem]:
    """Whether GPUs count uncorrected memory errors, or wait for a reset because of some."""
    for place, found in _working(evidence):
        for gpu in _gpus(found):
            if gpu.errors.isdigit() and int(gpu.errors):
                yield error(
                    place.name,
                    f"GPU {gpu.index} counts {gpu.errors} uncorrected memory errors",
                    "reboot, and have it replaced if they come back",
                )
        for line in found.get("remapped", []):
            bus, pending, failure = (*[word.strip() for word in line.split(",")], "", "")[:3]
            if failure == "Yes":
                yield error(place.name, f"GPU {bus} can't replace its bad memory any more", "have it replaced")
            elif pending == "Yes":
                yield warning(place.name, f"GPU {bus} waits for a reset to put bad memory aside", "reboot")


def xid(evidence: Evidence) -> Iterator[Problem]:
    """Whether the kernel's log tells of GPUs' faults."""
    for place, found in _working(evidence):
        lines = found.get("xid", [])
        codes = sorted({int(code[1]) for line in lines if (code := re.search(r"Xid \([^)]*\): (\d+)", line))})
        if codes:
            grade = error if FATAL_XIDS & set(codes) else warning
            yield grade(
                place.name,
                f"the kernel's log has XID {', '.join(map(str, codes))} ({lines[-1][-160:].strip()})",
                "look it up in NVIDIA's list of Xid errors; reboot, and have the GPU replaced if it comes back",
            )


def link(evidence: Evidence) -> Iterator[Problem]:
    """Whether PCIe has its whole width, and NVLink all its links."""
    for place, found in _working(evidence):
        for gpu in _gpus(found):
            if gpu.width.isdigit() and gpu.width_most.isdigit() and int(gpu.width) < int(gpu.width_most):
                yield warning(
                    place.name,
                    f"GPU {gpu.index} is on {gpu.width} of {gpu.width_most} PCIe lanes",
                    "have the GPU seated anew, or its riser replaced",
                )
        down = sum("inactive" in line.lower() for line in found.get("nvlink", []))
        up = sum("GB/s" in line for line in found.get("nvlink", []))
        if down and up:
            yield error(
                place.name,
                f"{down} of {up + down} NVLinks are inactive",
                "reboot; if they stay so, have the machine looked at (`nvidia-smi nvlink --status`)",
            )


def heat(evidence: Evidence) -> Iterator[Problem]:
    """Whether GPUs are slowed down by heat or power."""
    for place, found in _working(evidence):
        for gpu in _gpus(found):
            if gpu.too_hot == "Active":
                yield warning(
                    place.name,
                    f"GPU {gpu.index} is slowed down by heat ({gpu.temperature} °C)",
                    "see the machine's fans and air",
                )
            elif gpu.slowed == "Active":
                yield warning(
                    place.name,
                    f"GPU {gpu.index} is slowed down by its hardware",
                    "see `nvidia-smi -q -d PERFORMANCE` and its power supply",
                )


CHECKS = (
    Check("gpus.driver", "the driver works, is new enough for the engine's CUDA, and the same everywhere", driver),
    Check("gpus.count", "each machine has the GPUs that are used", count),
    Check("gpus.fabric", "Fabric Manager runs in the driver's version, on machines with NVSwitch", fabric),
    Check("gpus.memory", "no uncorrected memory errors (ECC), no rows that wait for a reset", memory),
    Check("gpus.xid", "the kernel's log has no XID", xid),
    Check("gpus.link", "PCIe has its whole width, and NVLink all its links", link),
    Check("gpus.heat", "no GPU is slowed down by heat or power", heat),
)
