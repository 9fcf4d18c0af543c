"""What machines of the local cloud have cost, by hours and by the bill; and what is said where there is no bill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from components.alicloud.api import Api, ApiError
from components.alicloud.costs import billed, months, rented
from localcloud.cloud import faults
from localcloud.cloud.catalog import TYPES
from localcloud.cloud.model import Instance
from localcloud.cloud.service import Service
from stacks.cost import cost
from stacks.settings.cloud import CloudSettings

IMAGE = "ubuntu_22_04_x64_20G_alibase_20260901.vhd"
KIND = "ecs.g7.large"
STACK = "proj-test"
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
AGE = 72


@pytest.fixture
def machines(api: Api, service: Service, settled: Callable[[], None]) -> list[str]:
    """Two of the stack, three days old, and one of somebody else's."""
    vpc = api.call("vpc", "CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    settled()
    where = {"VpcId": vpc, "ZoneId": "cn-hangzhou-h", "CidrBlock": "10.0.1.0/24"}
    vswitch = api.call("vpc", "CreateVSwitch", **where)["VSwitchId"]
    group = api.call("ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    settled()
    found = []
    for stack in (STACK, STACK, f"{STACK}-other"):
        found += api.call(
            "ecs",
            "RunInstances",
            ImageId=IMAGE,
            InstanceType=KIND,
            VSwitchId=vswitch,
            SecurityGroupId=group,
            Tag=[{"Key": "tandem-stack", "Value": stack}, {"Key": "tandem-role", "Value": "machine"}],
        )["InstanceIdSets"]["InstanceIdSet"]
    settled()
    for machine in service.cloud.store.all(Instance):
        machine.creation_time = (NOW - timedelta(hours=AGE)).strftime("%Y-%m-%dT%H:%MZ")
        service.cloud.store.put(machine)
    return found


def settings(service: Service, **more: object) -> CloudSettings:
    return CloudSettings.model_validate(
        {
            "region": "cn-hangzhou",
            "endpoint": service.cloud.endpoint,
            "machines": 2,
            "adminCidrs": ["203.0.113.7/32"],
            "candidates": [{"zone": "cn-hangzhou-h", "instanceType": KIND}],
            **more,
        }
    )


def test_hours_times_price_since_each_machines_creation(api, service, machines):
    found = cost(settings(service), STACK, NOW)
    assert {one.id for one in found.machines} == set(machines[:2])
    assert [one.hours(NOW) for one in found.machines] == [AGE, AGE]
    assert found.hourly > 2 * TYPES[KIND].price  # with its disk
    assert found.by_hours == pytest.approx(AGE * found.hourly)


def test_a_larger_disk_costs_more(api, machines):
    small, large = (rented(api, STACK, {"machine": gib})[0].hourly for gib in (40, 400))
    assert large > small


def test_one_that_rests_costs_nothing_an_hour(api, service, settled, machines):
    api.call("ecs", "StopInstance", InstanceId=machines[0], StoppedMode="StopCharging")
    settled()
    found = cost(settings(service), STACK, NOW)
    assert [one.stopped for one in found.machines].count(True) == 1
    assert found.hourly == pytest.approx(found.machines[0].hourly)
    assert any(line.endswith(", rests now") for line in found.lines())


def test_the_bill_of_the_stacks_tag_alone_a_day_late(api, machines):
    bill = billed(api, STACK, NOW - timedelta(hours=AGE), NOW)
    late = datetime.now(UTC) - timedelta(hours=24)
    hours = (late - (NOW - timedelta(hours=AGE))).total_seconds() / 3600
    assert bill.amount == pytest.approx(2 * hours * TYPES[KIND].price, rel=0.01)
    assert (bill.currency, set(bill.by_product)) == ("CNY", {"ecs"})


def test_pages_of_a_bill_are_all_read(api, machines, monkeypatch):
    since = NOW - timedelta(hours=AGE)
    whole = billed(api, STACK, since, NOW)
    monkeypatch.setattr("components.alicloud.costs.ROWS", 1)
    # The bill grows between the two; a page less would be a machine less.
    assert billed(api, STACK, since, NOW).amount == pytest.approx(whole.amount, rel=0.01) != 0


def test_without_the_right_to_bills_hours_times_price_count_and_the_right_is_named(api, service, machines):
    refusal = {"status": 403, "code": "NotAuthorized", "message": "This API is not authorized for caller."}
    faults.order(service.cloud.store, {"kind": "error", "action": "DescribeInstanceBill", "times": 9, **refusal})
    found = cost(settings(service), STACK, NOW)
    assert found.bill is None
    assert "bss:DescribeInstanceBill" in found.no_bill
    assert found.spent == found.by_hours > 0
    assert any("not known: DescribeInstanceBill was refused: NotAuthorized" in line for line in found.lines())


def test_a_limit_that_is_passed_is_said_with_both_remedies(api, service, machines):
    assert cost(settings(service, costLimit=10_000), STACK, NOW).warning == ""
    found = cost(settings(service, costLimit=1), STACK, NOW)
    assert found.warning.startswith(f"this stack has cost CNY {found.spent:,.2f}, more than cloud.costLimit 1")
    assert "pulumi destroy" in found.warning
    assert found.lines()[-1] == f"warning   {found.warning}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, "MissingParameter.BillingCycle"),
        ({"BillingCycle": "2026-13"}, "InvalidParameter.BillingCycle"),
        ({"BillingCycle": "2001-01"}, "InvalidParameter.BillingCycle"),
        ({"BillingCycle": f"{NOW:%Y-%m}", "MaxResults": 301}, "InvalidParameter.MaxResults"),
        ({"BillingCycle": f"{NOW:%Y-%m}", "Granularity": "HOURLY"}, "InvalidParameter.Granularity"),
        ({"BillingCycle": f"{NOW:%Y-%m}", "Granularity": "DAILY"}, "MissingParameter.BillingDate"),
        ({"BillingCycle": f"{NOW:%Y-%m}", "BillingDate": f"{NOW:%Y-%m-%d}"}, "InvalidParameter.BillingDate"),
    ],
)
def test_the_local_clouds_bill_is_as_strict_as_it_is_documented(api, wrong, said):
    with pytest.raises(ApiError) as caught:
        api.call("bssopenapi", "DescribeInstanceBill", **wrong)
    assert caught.value.code == said


def test_months_are_those_that_the_account_keeps():
    assert months(datetime(2025, 11, 3, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)) == [
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]
    assert len(months(datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))) == 18


@pytest.mark.parametrize(
    ("region", "place"),
    [("cn-beijing", "business.aliyuncs.com"), ("eu-central-1", "business.ap-southeast-1.aliyuncs.com")],
)
def test_bills_are_asked_for_where_they_are_kept(region, place, monkeypatch):
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")
    assert Api(region)._endpoint_of("bssopenapi") == place
