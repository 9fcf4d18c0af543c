"""The account: keys, rights, what it may rent and pay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from components.alicloud.account import account_name
from components.alicloud.api import ApiError
from components.alicloud.errors import REFRESH, Kind
from stacks.doctor.account_queries import POST_PAID, REAL_NAME, SPOT, rights
from stacks.doctor.addresses import INSTANCE
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning

LEAST_BALANCE = 100.0
"""Yuan that pay-as-you-go asks for before it rents (Alibaba Cloud's documentation of pay-as-you-go)."""
RELEASE_HOURS = 2.0
KEYS = "ALIBABA_CLOUD_ACCESS_KEY_ID"


def keys(evidence: Evidence) -> Iterator[Problem]:
    """Whether the keys are there, and the account knows them."""
    _ = evidence.cloud
    failure = evidence.account["identity"].failure if "identity" in evidence.account else None
    if isinstance(failure, ApiError):
        if failure.code == "NoKeys":
            yield error(KEYS, "no keys of an account are set", str(failure).partition("; ")[2])
        elif failure.kind in (Kind.KEYS, Kind.CLOCK) and failure.cause:
            cause, _, remedy = failure.cause.remedy.partition(": ")
            yield error(KEYS, f"{cause} ({failure.code})", remedy)
        elif failure.kind is not Kind.RIGHTS:
            raise NotCheckedError(str(failure))
    elif failure is not None:
        raise NotCheckedError(str(failure))


def tried(evidence: Evidence) -> Iterator[Problem]:
    """Whether the RAM user may do what a deployment does, action by action."""
    denied, silent, other = [], [], []
    for right in rights(evidence.cloud):
        answer = evidence.account.get(f"right {right.name}")
        failure = answer.failure if answer else None
        if answer is None:
            raise NotCheckedError("the account was not asked")
        if isinstance(failure, ApiError):
            if failure.kind is Kind.RIGHTS:
                denied.append(right.name)
            elif failure.kind in (Kind.ACCOUNT, Kind.KEYS, Kind.CLOCK):
                other.append(failure)
            elif failure.code == "Unreachable" or failure.kind is Kind.TRANSIENT:
                silent.append(right.name)
        elif failure is not None:
            silent.append(right.name)
    if denied:
        yield error(
            "RAM user",
            f"{account_name()} may not do {', '.join(denied)}",
            f"grant these actions to its RAM user (a policy with Action [{', '.join(denied)}], or the policies "
            "AliyunECSFullAccess, AliyunVPCFullAccess, AliyunEIPFullAccess, AliyunNASFullAccess)",
        )
    seen = set()
    for failure in other:
        if failure.kind is Kind.ACCOUNT and failure.cause and failure.cause not in seen:
            seen.add(failure.cause)
            cause, _, remedy = failure.cause.remedy.partition(": ")
            yield error("account", f"{cause} ({failure.code})", remedy)
    if not denied and not seen and len(silent) == len(rights(evidence.cloud)):
        raise NotCheckedError("no call was answered")


def real_name(evidence: Evidence) -> Iterator[Problem]:
    """Whether the account has a verified real name, where one is asked for."""
    if not evidence.cloud.region.startswith("cn-") or evidence.cloud.region == "cn-hongkong":
        raise NotApplicableError
    value = _attribute(evidence, REAL_NAME)
    if value not in ("yes", "unnecessary"):
        yield error(
            "account",
            f"{account_name()} has no verified real name, without which nothing is rented in mainland China",
            "verify it in the console's Account Center (https://account.console.aliyun.com), or set cloud.region to "
            "one elsewhere",
        )


def balance(evidence: Evidence) -> Iterator[Problem]:
    """Whether the balance carries what is to be rented."""
    _ = evidence.cloud
    data = evidence.answer("balance").get("Data") or {}
    amount = float(str(data.get("AvailableAmount", "")).replace(",", ""))
    currency = data.get("Currency", "")
    least = LEAST_BALANCE if currency == "CNY" else 0.0
    if amount < least or amount <= 0:
        grade = error if amount <= 0 else warning
        yield grade(
            "account",
            f"the balance of {account_name()} is {amount:g} {currency}"
            + (f", and pay-as-you-go rents nothing below {least:g}" if amount > 0 else ""),
            "top it up in the console's Expenses and Costs",
        )


def quota(evidence: Evidence) -> Iterator[Problem]:
    """Whether the vCPUs that are still to be rented are within the quota."""
    cloud = evidence.cloud
    lacking = _lacking(evidence)
    what = SPOT if cloud.spot_price_limit is not None else POST_PAID
    most, used = (int(_attribute(evidence, f"{how}-{what}")) for how in ("max", "used"))
    sizes = {
        each["InstanceTypeId"]: int(each["CpuCoreCount"])
        for each in evidence.answer("types")["InstanceTypes"]["InstanceType"]
    }
    first = cloud.candidates[0].instance_type
    needed = lacking * sizes.get(first, 0)
    if needed > most - used:
        yield error(
            "cloud.machines",
            f"{lacking} x {first} take {needed} vCPUs, and the quota leaves {most - used} of {most} in {cloud.region}",
            "ask for more in the console's Quota Center, or set cloud.machines or cloud.candidates to less",
        )


def stock(evidence: Evidence) -> Iterator[Problem]:
    """Whether a candidate sells the machines that are still to be rented."""
    cloud = evidence.cloud
    if not _lacking(evidence):
        return
    gone = []
    for each in cloud.candidates:
        found = evidence.answer(f"stock {each.instance_type} {each.zone}")
        if each.instance_type in set(_sold(found)):
            return
        gone.append(f"{each.zone} has no {each.instance_type}")
    yield error("cloud.candidates", "; ".join(gone), "add a zone that sells one, or another instanceType")


def release(evidence: Evidence) -> Iterator[Problem]:
    """Whether a machine is about to be released: by the dead man's switch, or by the cloud."""
    _ = evidence.cloud
    for machine in evidence.answer("machines"):
        name = str(machine.get("InstanceName", "")).removeprefix(f"{evidence.stack.full}-")
        if when := machine.get("AutoReleaseTime"):
            hours = (_moment(when) - datetime.now(UTC)).total_seconds() / 3600
            if hours < RELEASE_HOURS:
                yield warning(
                    name,
                    f"it releases itself at {when}, in {max(0, round(hours * 60))} minutes",
                    f"pulumi up --stack {evidence.stack.name}, which prolongs it, or raise cloud.autoReleaseHours",
                )
        locks = (machine.get("OperationLocks") or {}).get("LockReason") or []
        if any(lock.get("LockReason") == "Recycling" for lock in locks):
            yield warning(
                name,
                "the cloud takes this spot machine back within minutes",
                f"when it is gone {REFRESH}; or raise cloud.spotPriceLimit",
            )


def _lacking(evidence: Evidence) -> int:
    """Machines that serve and aren't in the state."""
    made = [each for each in evidence.stack.of_kind(INSTANCE) if each.name.startswith("node-")]
    return max(0, evidence.cloud.machines - len(made))


def _attribute(evidence: Evidence, name: str) -> str:
    items = evidence.answer("attributes")["AccountAttributeItems"]["AccountAttributeItem"]
    for item in items:
        if item["AttributeName"] == name and item["AttributeValues"]["ValueItem"]:
            return str(item["AttributeValues"]["ValueItem"][0]["Value"])
    raise NotCheckedError(f"the account doesn't tell {name}")


def _sold(answer: Any) -> Iterator[str]:  # noqa: ANN401  # JSON is any
    for zone in (answer.get("AvailableZones") or {}).get("AvailableZone") or []:
        for resource in (zone.get("AvailableResources") or {}).get("AvailableResource") or []:
            for each in (resource.get("SupportedResources") or {}).get("SupportedResource") or []:
                if each.get("Status") == "Available":
                    yield each["Value"]


def _moment(text: str) -> datetime:
    """A time as DescribeInstances has it, with seconds or without."""
    shape = "%Y-%m-%dT%H:%M:%SZ" if text.count(":") == 2 else "%Y-%m-%dT%H:%MZ"
    return datetime.strptime(text, shape).replace(tzinfo=UTC)


CHECKS = (
    Check("account.keys", "keys are set, and the account knows them", keys),
    Check("account.rights", "the RAM user may do what a deployment does, action by action", tried),
    Check("account.real_name", "the account has a verified real name, where regions ask for one", real_name),
    Check("account.balance", "the balance carries pay-as-you-go", balance),
    Check("account.quota", "the quota of vCPUs carries the machines that are still to be rented", quota),
    Check("account.stock", "a candidate sells the machines that are still to be rented", stock),
    Check("account.release", "no machine is about to release itself or to be taken back", release),
)
