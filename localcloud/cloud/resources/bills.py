"""Bills: of machines that stand, by their hours and the catalog's prices; those that went are in no bill here.

Parameters and fields are those of DescribeInstanceBill (2017-12-14): a bill is a day late, 18 months are kept.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import CURRENCY, TYPES
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import Instance
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import invalid

LATE = timedelta(hours=24)
CYCLES = 18
MOST_ROWS = 300


@action("BssOpenApi", "DescribeInstanceBill")
def describe_instance_bill(cloud: Cloud, params: Params) -> Json:
    """A month's rows, one a machine; of one day with Granularity DAILY."""
    now = datetime.now(UTC)
    cycle = params.need("BillingCycle")
    begin, end = _month(cycle, now)
    granularity = params.text("Granularity", "MONTHLY")
    if granularity not in ("MONTHLY", "DAILY"):
        raise invalid("Granularity", f"{granularity} is neither MONTHLY nor DAILY")
    if granularity == "DAILY":
        begin = _day(params.need("BillingDate"), cycle)
        end = begin + timedelta(days=1)
    elif "BillingDate" in params:
        raise invalid("BillingDate", "it goes with Granularity DAILY only")
    size = params.number("MaxResults", 20, 1, MOST_ROWS)
    start = params.number("NextToken", 0, 0)
    rows = list(_rows(cloud, params, begin, min(end, now - LATE)))
    shown = rows[start : start + size]
    following = {"NextToken": str(start + size)} if start + size < len(rows) else {}
    data = {
        "BillingCycle": cycle,
        "AccountID": cloud.settings.account,
        "AccountName": "",
        "TotalCount": len(rows),
        "MaxResults": size,
        "Items": shown,
        **following,
    }
    return {"Success": True, "Code": "Success", "Message": "Successful!", "Data": data}


def _month(text: str, now: datetime) -> tuple[datetime, datetime]:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise invalid("BillingCycle", f"{text} is not YYYY-MM")
    year, month = map(int, text.split("-"))
    age = (now.year - year) * 12 + now.month - month
    if not 0 <= age < CYCLES:
        raise invalid("BillingCycle", f"{text} is not among the last {CYCLES} months")
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return datetime(year, month, 1, tzinfo=UTC), following


def _day(text: str, cycle: str) -> datetime:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise invalid("BillingDate", f"{text} is not YYYY-MM-DD") from None
    if not text.startswith(cycle):
        raise invalid("BillingDate", f"{text} is not in {cycle}")
    return day


def _rows(cloud: Cloud, params: Params, begin: datetime, end: datetime) -> Iterator[Json]:
    if params.text("ProductCode", "ecs") != "ecs" or params.text("SubscriptionType", "PayAsYouGo") != "PayAsYouGo":
        return
    for machine in cloud.store.all(Instance):
        if params.text("InstanceID", machine.instance_id) != machine.instance_id:
            continue
        created = datetime.strptime(machine.creation_time, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        hours = max(0.0, (end - max(begin, created)).total_seconds() / 3600)
        amount = round(hours * TYPES[machine.instance_type].price, 6)
        if not hours or (not amount and params.flag("IsHideZeroCharge")):
            continue
        yield {
            "InstanceID": machine.instance_id,
            "InstanceSpec": machine.instance_type,
            "NickName": machine.instance_name,
            "ProductCode": "ecs",
            "ProductType": "",
            "ProductName": "Elastic Compute Service",
            "Item": "PayAsYouGoBill",
            "SubscriptionType": "PayAsYouGo",
            "Region": machine.region_id,
            "Zone": machine.zone_id,
            "Currency": CURRENCY,
            "PretaxGrossAmount": amount,
            "PretaxAmount": amount,
            "PaymentAmount": 0.0,
            "OutstandingAmount": amount,
            "Tag": "; ".join(f"key:{key} value:{value}" for key, value in sorted(machine.tags.items())),
        }
