"""What is there beside what was declared: in the account, and on the machines."""

from __future__ import annotations

from collections.abc import Iterator

from components.alicloud.errors import REFRESH
from components.alicloud.leftovers import WEIGHTS, Leftover
from stacks.doctor.addresses import FETCHER, INSTANCE
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotCheckedError, Problem, error, warning
from stacks.doctor.stack import Resource

KINDS = {
    INSTANCE: "machine",
    "alicloud:ecs/eipAddress:EipAddress": "public address",
    "alicloud:nas/fileSystem:FileSystem": "file system",
    "alicloud:ecs/securityGroup:SecurityGroup": "security group",
    "alicloud:vpc/switch:Switch": "vSwitch",
    "alicloud:vpc/network:Network": "VPC",
    "alicloud:nas/mountTarget:MountTarget": "mount target",
    "alicloud:nas/accessGroup:AccessGroup": "access group",
}
"""Pulumi's types by the words of `components.alicloud.leftovers`."""
CONTAINER = "docker:index/container:Container"
PROCESS = "command:remote:Command"


def account(evidence: Evidence) -> Iterator[Problem]:
    """Whether the account holds what the state says, and nothing else with the stack's tag."""
    _ = evidence.cloud
    if evidence.stack.unread:
        raise NotCheckedError("the state could not be read")
    there: list[Leftover] = evidence.answer("tagged")
    declared = {(KINDS[each.kind], _id(each)): each.name for each in evidence.stack.resources if each.kind in KINDS}
    standing = {(each.kind, each.id) for each in there}
    for (kind, id_), name in declared.items():
        if (kind, id_) not in standing:
            remedy = (
                REFRESH if kind == "machine" else f"pulumi refresh --yes, then pulumi up --stack {evidence.stack.name}"
            )
            yield error(name, f"{kind} {id_} is in the state and not in the account", remedy)
    for each in there:
        if (each.kind, each.id) not in declared and each.role != WEIGHTS:
            yield warning(
                str(each),
                "it carries the stack's tag and is in no state, so it stays until `pulumi destroy`",
                f"pulumi up --stack {evidence.stack.name}, which releases machines; other things delete in the console",
            )


def _id(resource: Resource) -> str:
    for field in ("mountTargetDomain", "accessGroupName"):
        if resource.outputs.get(field) and KINDS[resource.kind] in ("mount target", "access group"):
            return str(resource.outputs[field])
    return resource.id


def power(evidence: Evidence) -> Iterator[Problem]:
    """Whether rented machines run."""
    _ = evidence.cloud
    ids = {each.id: each.name.removesuffix("-instance") for each in evidence.stack.of_kind(INSTANCE)}
    for machine in evidence.answer("machines"):
        name, status = ids.get(machine["InstanceId"]), machine["Status"]
        if name and name != FETCHER and status not in ("Running", "Starting", "Pending"):
            yield error(
                name,
                f"machine {machine['InstanceId']} is {status}",
                "start it in the console; it serves again by itself",
            )


def serving(evidence: Evidence) -> Iterator[Problem]:
    """Whether machines run the containers that were declared: these, of these images, and no others."""
    if evidence.settings.runtime == "native":
        yield from _processes(evidence)
        return
    declared: dict[str, dict[str, Resource]] = {}
    for each in evidence.stack.of_kind(CONTAINER):
        own = max((p.name for p in evidence.places if each.name.startswith(f"{p.name}-")), key=len, default="")
        declared.setdefault(own, {})[str(each.outputs.get("name") or each.name)] = each
    up = f"pulumi up --stack {evidence.stack.name}"
    for place, found in evidence.facts("containers"):
        if place.number is None:
            continue
        wanted, running = declared.get(place.name, {}), {each["name"]: each for each in found}
        for name in wanted.keys() - running.keys():
            yield error(place.name, f"container {name} is declared and not there", f"pulumi refresh --yes, then {up}")
        for name, each in running.items():
            if name not in wanted:
                yield warning(
                    place.name,
                    f"container {name} carries the stack's label and is not declared ({each['status']})",
                    f"docker rm --force {name} there",
                )
                continue
            image = str(wanted[name].inputs.get("image") or "")
            if image.startswith("sha256:") and image != each["image"]:
                yield warning(
                    place.name, f"container {name} has image {each['image'][:19]}, and {image[:19]} is declared", up
                )
            elif wanted[name].id and wanted[name].id != each["id"]:
                yield warning(
                    place.name, f"container {name} was made anew by somebody else", f"pulumi refresh --yes, then {up}"
                )


def _processes(evidence: Evidence) -> Iterator[Problem]:
    ran = {
        each.name
        for each in evidence.stack.of_kind(PROCESS)
        if str(each.inputs.get("create", "")).find(f"process-{each.name}") >= 0
    }
    for place, found in evidence.facts("containers"):
        there = {each["name"] for each in found}
        for name in sorted(ran - there):
            if name.startswith(f"{place.name}-"):
                yield error(
                    place.name,
                    f"process {name} is declared and not there",
                    "set native.trigger to another word, then pulumi up",
                )


CHECKS = (
    Check("drift.account", "the account holds what the state says, and nothing else with the stack's tag", account),
    Check("drift.power", "rented machines run", power),
    Check(
        "drift.serving",
        "machines have the containers that were declared, of the declared images, and no others",
        serving,
    ),
)
