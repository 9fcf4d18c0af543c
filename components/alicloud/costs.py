"""What a stack's machines cost: by their hours and prices, and by the account's bill where its rights allow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from components.alicloud.api import Api, tagged
from components.alicloud.tags import ROLE, STACK

ROWS = 300
"""The most rows of a page that DescribeInstanceBill gives."""
TAG = re.compile(r"key:(\S+) value:([^;]*?) *(?:;|$)")
"""DescribeInstanceBill, Items.Tag: `key:K value:V; key:K value:V`."""
CYCLES = 18
"""Months that DescribeInstanceBill knows."""


@dataclass(frozen=True)
class Rented:
    """A machine that stands, with what it costs.

    Attributes:
        id: the cloud's.
        name: in the account.
        type: instance type.
        role: machine or fetcher.
        zone: where.
        created: when.
        hourly: CNY an hour while it runs, with its system disk, without traffic.
        stopped: in economical mode, in which only its disk and address are paid for.
        spot: rented at the market's price.
        release: when it releases itself, RFC 3339; empty for never.
    """

    id: str
    name: str
    type: str
    role: str
    zone: str
    created: datetime
    hourly: float
    stopped: bool
    spot: bool
    release: str

    def hours(self, now: datetime) -> float:
        """Since its creation."""
        return max(0.0, (now - self.created).total_seconds() / 3600)


def rented(api: Api, stack: str, disks: dict[str, int]) -> list[Rented]:
    """The stack's machines, each with the price of today.

    Args:
        api: the account.
        stack: the deployment's own name.
        disks: GiB of the system disk by role.

    Raises:
        ApiError: refused, or not reached.
    """
    found = []
    prices: dict[tuple[str, str, bool], float] = {}
    for each in api.pages("ecs", "DescribeInstances", "Instances.Instance", Tag=tagged({STACK: stack})):
        tags = {tag["TagKey"]: tag["TagValue"] for tag in (each.get("Tags") or {}).get("Tag") or []}
        kind, role, spot = each["InstanceType"], tags.get(ROLE, ""), each.get("SpotStrategy", "NoSpot") != "NoSpot"
        if (kind, role, spot) not in prices:
            prices[kind, role, spot] = _price(api, kind, disks.get(role, 40), spot=spot)
        stopped = each["Status"] == "Stopped" and each.get("StoppedMode") == "StopCharging"
        found.append(
            Rented(
                each["InstanceId"],
                each.get("InstanceName", ""),
                kind,
                role,
                each["ZoneId"],
                datetime.strptime(each["CreationTime"], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC),
                prices[kind, role, spot],
                stopped,
                spot,
                each.get("AutoReleaseTime", ""),
            )
        )
    return sorted(found, key=lambda one: (one.created, one.name))


def _price(api: Api, kind: str, disk: int, *, spot: bool) -> float:
    more = {"SpotStrategy": "SpotAsPriceGo"} if spot else {}
    answer = api.call(
        "ecs",
        "DescribePrice",
        ResourceType="instance",
        InstanceType=kind,
        PriceUnit="Hour",
        Period=1,
        Amount=1,
        SystemDisk={"Category": "cloud_essd", "Size": disk},
        **more,
    )
    return float(answer["PriceInfo"]["Price"]["TradePrice"])


@dataclass(frozen=True)
class Bill:
    """What the account was billed for a stack.

    Attributes:
        amount: before tax, of all rows that carry the stack's tag.
        currency: such as CNY.
        by_product: the same by product, such as ecs or nas.
    """

    amount: float
    currency: str
    by_product: dict[str, float]


def billed(api: Api, stack: str, since: datetime, now: datetime) -> Bill:
    """The bills of the months from `since` on; a day old, and without what is not settled yet.

    Args:
        api: the account; it needs the right bss:DescribeInstanceBill.
        stack: the deployment's own name, the value of the tag.
        since: in the first month.
        now: in the last month.

    Raises:
        ApiError: refused, as for a RAM user without that right, or not reached.
    """
    amounts: dict[str, float] = {}
    currency = "CNY"
    for cycle in months(since, now):
        for row in _rows(api, cycle):
            if (STACK, stack) in TAG.findall(row.get("Tag") or ""):
                product = row.get("ProductCode") or "other"
                amounts[product] = amounts.get(product, 0.0) + float(row["PretaxAmount"])
                currency = row.get("Currency") or currency
    return Bill(round(sum(amounts.values()), 4), currency, amounts)


def months(since: datetime, now: datetime) -> Sequence[str]:
    """Billing cycles, YYYY-MM, oldest first; no more than the account keeps."""
    first, last = since.year * 12 + since.month - 1, now.year * 12 + now.month - 1
    return [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(max(first, last - CYCLES + 1), last + 1)]


def _rows(api: Api, cycle: str) -> Iterator[dict[str, str]]:
    token: dict[str, str] = {}
    while True:
        answer = api.call(
            "bssopenapi", "DescribeInstanceBill", BillingCycle=cycle, MaxResults=ROWS, IsHideZeroCharge=True, **token
        )
        data = answer.get("Data") or {}
        yield from data.get("Items") or []
        if not data.get("NextToken"):
            return
        token = {"NextToken": data["NextToken"]}
