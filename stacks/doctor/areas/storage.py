"""The folder that machines share: mounted, whole, fast enough."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.doctor.addresses import Place
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotCheckedError, Problem, error, warning

SLOW = 50e6
"""Bytes a second: less than a gigabit link gives; 100 GB then take more than half an hour."""
LEAST_BYTES = 8 << 20
"""A shorter read says nothing."""
ROOM_WARNING = 0.03


def _serving(evidence: Evidence) -> list[tuple[Place, dict[str, object]]]:
    return [(place, found) for place, found in evidence.facts("storage") if place.number is not None]


def mounted(evidence: Evidence) -> Iterator[Problem]:
    """Whether the shared folder is mounted on each machine, from the server that settings name."""
    settings = evidence.settings
    folder, up = settings.storage.folder, f"pulumi up --stack {evidence.stack.name}"
    if evidence.stack.named("answer-asked") is None and not settings.storage.path:
        raise NotCheckedError("no `pulumi up` has come to the end yet")
    for place, found in _serving(evidence):
        if not found["there"]:
            yield error(place.name, f"there is no folder {folder}", f"mount {folder}, or {up}")
        elif not settings.storage.path and not found["source"]:
            yield error(
                place.name,
                f"nothing is mounted on {folder}",
                f"systemctl restart $(systemd-escape --path --suffix=mount {folder})",
            )
        elif settings.storage.server and not settings.storage.path:
            wanted = f"{settings.storage.server}:{settings.storage.export}"
            # What somebody mounted already is used as it is (storage.sh); it may be no NFS.
            if ":" in str(found["source"]) and str(found["source"]).rstrip("/") != wanted.rstrip("/"):
                yield warning(
                    place.name,
                    f"{folder} is {found['source']}, and settings name {wanted}",
                    "correct storage, or what is mounted there",
                )


def weights(evidence: Evidence) -> Iterator[Problem]:
    """Whether the weights are what was verified."""
    said, seen = False, set()
    for place, found in _serving(evidence):
        folders = found["weights"]
        if (
            not found["there"]
            or (not evidence.settings.storage.path and not found["source"])
            or not isinstance(folders, dict)
        ):
            continue
        for folder, each in folders.items():
            if not each["manifest"] and not each["wrong"]:
                continue
            said = True
            if each["wrong"] and (folder, each["wrong"]) not in seen:
                seen.add((folder, each["wrong"]))  # all machines share it
                yield error(
                    place.name,
                    f"{folder} {each['wrong']}",
                    f"set model.trigger to another word and pulumi up --stack {evidence.stack.name}, to fetch it",
                )
    if not said:
        raise NotCheckedError("there are no weights that were verified")


def room(evidence: Evidence) -> Iterator[Problem]:
    """Whether the storage has room."""
    there = [each for each in _serving(evidence) if each[1]["source"] or evidence.settings.storage.path]
    if not there:
        raise NotCheckedError("the shared folder is mounted nowhere")
    for place, found in there[:1]:
        total, free = found.get("bytes"), found.get("free")
        if isinstance(total, int) and isinstance(free, int) and total and free < ROOM_WARNING * total:
            yield warning(
                place.name,
                f"the storage has {free / 2**30:.1f} of {total / 2**30:.1f} GiB free",
                "delete weights that nobody uses, or give it more room",
            )


def speed(evidence: Evidence) -> Iterator[Problem]:
    """Whether the weights are read fast enough."""
    said = False
    for place, found in _serving(evidence):
        read = found.get("read")
        if not isinstance(read, dict) or read.get("bytes", 0) < LEAST_BYTES:
            continue
        said, rate = True, read["bytes"] / max(read["seconds"], 1e-6)
        if rate < SLOW:
            size = sum(each["bytes"] for each in found["weights"].values())  # type: ignore[attr-defined]
            yield warning(
                place.name,
                f"{read['file']} is read at {rate / 1e6:.0f} MB/s, the whole in {size / rate / 60:.0f} minutes",
                "see storage.options (rsize, nconnect), the network to the storage, or cloud.nas.storageClass",
            )
    if not said:
        raise NotCheckedError("the weights are too small for a measurement, or not there")


CHECKS = (
    Check(
        "storage.mounted", "the shared folder is mounted on each machine, from the server that settings name", mounted
    ),
    Check("storage.weights", "the weights are what was verified, by names and sizes", weights),
    Check("storage.room", "the storage has room", room),
    Check("storage.speed", "a part of the weights is read at 50 MB/s or more on each machine", speed),
)
