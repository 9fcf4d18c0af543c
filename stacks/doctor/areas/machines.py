"""The machines themselves: reached, clocks, disks, memory, kernels."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning
from stacks.doctor.machine_probe import WRITTEN
from stacks.settings.stack import Settings

CLOCK_WARNING, CLOCK_ERROR = 2.0, 120.0
"""Seconds; the second is where a machine is no longer taken (components/machine/files/acquire_common.sh)."""
DISK_WARNING, DISK_ERROR = 0.10, 0.02
"""Of a file system's room or inodes."""
MEMORY_WARNING = 0.03
GIB = 1 << 30
ENOUGH = 10 * GIB
"""Of a large disk a tenth is much: logs and what is installed take no more."""
CONTAINER_NICS = ("docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "lo")


def reached(evidence: Evidence) -> Iterator[Problem]:
    """Whether SSH opens each machine, and it tells what is asked."""
    if not evidence.places:
        raise NotCheckedError(evidence.no_machine)
    for place in evidence.places:
        reply = evidence.replies.get(place.name)
        if reply is None or reply.error:
            why = reply.error if reply else "it was not asked"
            yield error(place.name, f"SSH does not open it ({why})", place.ssh)
    for place, name, why in evidence.missed():
        cause = why.partition(": ")[2]
        if name == "containers":
            yield error(
                place.name,
                f"Docker gives no answer ({cause})",
                "systemctl restart docker, and see journalctl -u docker",
            )
            continue
        yield warning(place.name, f"its {name} could not be read ({cause})", f"look at it there: {place.ssh}")


def clock(evidence: Evidence) -> Iterator[Problem]:
    """Whether clocks agree with this computer's."""
    said = False
    for place in evidence.places:
        reply = evidence.replies.get(place.name)
        if reply is None or reply.error:
            continue
        said, off = True, reply.clock
        if abs(off) >= CLOCK_WARNING:
            ahead = "ahead of" if off > 0 else "behind"
            grade = error if abs(off) >= CLOCK_ERROR else warning
            yield grade(
                place.name, f"its clock is {abs(off):.0f} s {ahead} this computer's", "timedatectl set-ntp true on both"
            )
    if not said:
        raise NotCheckedError("no machine answers")


def disk(evidence: Evidence) -> Iterator[Problem]:
    """Whether file systems that programs write to have room."""
    for place, found in evidence.facts("disks"):
        for folder, each in sorted(found.items()):
            room = each["free"] / each["bytes"] if each["bytes"] else 1.0
            inodes = each["inodes_free"] / each["inodes"] if each["inodes"] else 1.0
            if inodes >= DISK_WARNING and (room >= DISK_WARNING or each["free"] >= ENOUGH):
                continue
            grade = error if min(room, inodes) < DISK_ERROR and folder not in WRITTEN[1:] else warning
            left = (
                f"{each['free'] / GIB:.1f} of {each['bytes'] / GIB:.1f} GiB"
                if room <= inodes
                else (f"{each['inodes_free']} of {each['inodes']} inodes")
            )
            remedy = (
                "docker system prune --all" if folder not in WRITTEN[1:] else f"du -xhd1 {folder} shows what to delete"
            )
            yield grade(
                place.name, f"{folder} has {left} free", f"free space there ({remedy}), or give it a larger disk"
            )


def memory(evidence: Evidence) -> Iterator[Problem]:
    """Whether memory is left."""
    for place, found in evidence.facts("machine"):
        if found["available"] < MEMORY_WARNING * found["memory"]:
            yield warning(
                place.name,
                f"{found['available'] / GIB:.1f} of {found['memory'] / GIB:.1f} GiB of memory are left",
                "end what is not the deployment's (`ps aux --sort -rss | head`), or take a larger machine",
            )


def kernel(evidence: Evidence) -> Iterator[Problem]:
    """Whether machines that serve together have the same kernel and architecture."""
    found = {p.name: m for p, m in evidence.facts("machine") if p.number is not None}
    if len(found) < 2:
        raise NotApplicableError
    kinds = {(".".join(each["kernel"].split(".")[:2]), each["arch"]) for each in found.values()}
    if len(kinds) > 1:
        said = ", ".join(f"{name} {each['kernel']} {each['arch']}" for name, each in found.items())
        yield warning(
            "machines",
            f"kernels differ ({said})",
            "give all machines the same system, which drivers and NCCL are tried with",
        )


def interface(evidence: Evidence) -> Iterator[Problem]:
    """Whether the network interface that settings name is there and up."""
    settings = evidence.settings
    named = {each.name: each.nic for each in settings.machines if each.nic}
    if not named:
        raise NotApplicableError
    for place, found in evidence.facts("interfaces"):
        nic = named.get(place.name)
        if nic and found.get(nic) not in ("up", "unknown"):
            others = ", ".join(sorted(each for each in found if not each.startswith(CONTAINER_NICS)))
            state = f"is {found[nic]}" if nic in found else "is not there"
            yield error(
                place.name,
                f"network interface {nic} {state}; it has {others}",
                f"ip link set {nic} up, or correct nic in machines",
            )


def hca(evidence: Evidence) -> Iterator[Problem]:
    """Whether RDMA devices that settings name are there and active."""
    settings = evidence.settings
    named = _hcas(settings)
    if not any(named.values()):
        raise NotApplicableError
    for place, found in evidence.facts("bus"):
        ports = {each["name"]: each for each in found["ports"]}
        for name in named.get(place.name, ()):
            if name not in ports:
                has = ", ".join(sorted(ports)) or "none"
                yield error(
                    place.name,
                    f"RDMA device {name} is not there; it has {has}",
                    "correct hcas in machines or accelerator",
                )
            elif not ports[name]["active"]:
                yield error(
                    place.name,
                    f"RDMA device {name} is not active",
                    "see its cable and `ibstat` there, or take it out of hcas",
                )


def _hcas(settings: Settings) -> dict[str, tuple[str, ...]]:
    common = settings.accelerator.hcas
    return {each.name: each.hcas or common for each in settings.machines}


CHECKS = (
    Check("machines.reached", "SSH opens each machine, and it tells what is asked", reached),
    Check("machines.clock", "clocks agree with this computer's, and so with each other", clock),
    Check("machines.disk", "file systems that programs write to have room and inodes", disk),
    Check("machines.memory", "memory is left", memory),
    Check("machines.kernel", "machines that serve together have the same kernel and architecture", kernel),
    Check("machines.interface", "the network interface that settings name is there and up", interface),
    Check("machines.hca", "RDMA devices that settings name are there and active", hca),
)
