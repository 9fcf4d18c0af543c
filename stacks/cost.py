"""python -m stacks.cost STACK: what a stack has cost until now, and what an hour costs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.alicloud.account import MISSING_KEYS, has_keys
from components.alicloud.api import Api, ApiError
from components.alicloud.costs import Bill, Rented, billed, rented
from stacks.project import full_name
from stacks.settings.cloud import CloudSettings
from stacks.settings.errors import SettingsError
from stacks.stack_settings import settings_of

UNCOUNTED = "without traffic, file system, addresses, and machines that are released already"
"""What hours times price leaves out; the bill has it."""


@dataclass(frozen=True)
class Cost:
    """What a stack has cost.

    Attributes:
        machines: those that stand.
        bill: of the account, by the stack's tag; None where it could not be read.
        no_bill: why not, one sentence; empty where it could.
        now: when this was.
        limit: CNY at which to warn, `cloud.costLimit`.
    """

    machines: tuple[Rented, ...]
    bill: Bill | None
    no_bill: str
    now: datetime
    limit: float | None

    @property
    def hourly(self) -> float:
        """CNY an hour of the machines that run."""
        return sum(machine.hourly for machine in self.machines if not machine.stopped)

    @property
    def by_hours(self) -> float:
        """CNY: hours since each machine's creation times its price; of one that rests, at most this."""
        return sum(machine.hours(self.now) * machine.hourly for machine in self.machines)

    @property
    def spent(self) -> float:
        """The larger of both: a bill is a day late, and hours times price leave out what went."""
        return max(self.by_hours, self.bill.amount if self.bill else 0.0)

    @property
    def warning(self) -> str:
        """One sentence where the limit is passed; else empty."""
        if self.limit is None or self.spent < self.limit:
            return ""
        return (
            f"this stack has cost CNY {self.spent:,.2f}, more than cloud.costLimit {self.limit:g}, and an hour costs "
            f"CNY {self.hourly:,.2f}; `pulumi destroy` ends it, a higher cloud.costLimit this warning"
        )

    def lines(self) -> list[str]:
        """For people."""
        found = [
            f"{one.name or one.id} {one.type} in {one.zone}: {one.hours(self.now):,.1f} h at CNY {one.hourly:,.4f} = "
            f"{one.hours(self.now) * one.hourly:,.2f}" + (", rests now" if one.stopped else "")
            for one in self.machines
        ]
        found.append(f"by hours  CNY {self.by_hours:,.2f} ({UNCOUNTED})")
        if self.bill:
            parts = ", ".join(f"{name} {amount:,.2f}" for name, amount in sorted(self.bill.by_product.items()))
            found.append(
                f"billed    {self.bill.currency} {self.bill.amount:,.2f} until yesterday ({parts or 'no row'})"
            )
        else:
            found.append(f"billed    not known: {self.no_bill}")
        return [*found, f"an hour   CNY {self.hourly:,.2f}", *([f"warning   {self.warning}"] if self.warning else [])]

    def as_dict(self) -> dict[str, object]:
        """As JSON can hold it."""
        machines = [{**asdict(one), "created": one.created.isoformat()} for one in self.machines]
        return {
            "machines": machines,
            "by_hours": round(self.by_hours, 4),
            "hourly": round(self.hourly, 4),
            "bill": asdict(self.bill) if self.bill else None,
            "no_bill": self.no_bill,
            "spent": round(self.spent, 4),
            "limit": self.limit,
            "warning": self.warning,
            "now": self.now.isoformat(),
        }


def cost(cloud: CloudSettings, stack: str, now: datetime | None = None) -> Cost:
    """Asks the account.

    Args:
        cloud: what is rented.
        stack: the deployment's own name, the tag on everything.
        now: until when; this moment when left out.

    Raises:
        ApiError: no keys, or machines and prices could not be asked for.
    """
    if not has_keys():
        raise ApiError("NoKeys", MISSING_KEYS)
    now = now or datetime.now(UTC)
    api = Api(cloud.region, cloud.endpoint)
    disks = {"fetcher": cloud.fetcher.system_disk_gib, "machine": cloud.system_disk_gib}
    machines = tuple(rented(api, stack, disks))
    bill, why = None, ""
    try:
        since = min((machine.created for machine in machines), default=now)
        bill = billed(api, stack, since, now)
    except ApiError as error:
        why = f"{error}; a RAM user needs bss:DescribeInstanceBill for it"
    return Cost(machines, bill, why, now, cloud.cost_limit)


def main(argv: Sequence[str] | None = None) -> int:
    """0 with the lines, 1 with a sentence; 2 when the limit is passed."""
    parser = argparse.ArgumentParser(prog="python -m stacks.cost", description=__doc__)
    parser.add_argument("stack", help="the stack's name")
    parser.add_argument("--config-file", type=Path, help="the stack's file, where it isn't Pulumi.<stack>.yaml")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    try:
        settings = settings_of(args.stack, args.config_file)
        if settings.cloud is None:
            print(f"stack {args.stack} rents nothing: its machines are your own")
            return 0
        found = cost(settings.cloud, full_name(args.stack))
    except (SettingsError, ApiError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found.as_dict(), indent=1) if args.json else "\n".join(found.lines()))
    return 2 if found.warning else 0


if __name__ == "__main__":
    sys.exit(main())
