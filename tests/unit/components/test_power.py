"""The fetcher's rest: it is stopped in economical mode and called again, on a cloud that keeps nothing for it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest

from components.alicloud.__main__ import main
from components.alicloud.api import Api
from localcloud.cloud.catalog import set_stock
from localcloud.cloud.model import Instance
from localcloud.cloud.service import Service

IMAGE = "ubuntu_22_04_x64_20G_alibase_20260901.vhd"
SMALL = "ecs.u1-c1m2.large"


@pytest.fixture
def fetcher(api: Api, service: Service, settled: Callable[[], None]) -> str:
    """A machine with an EIP."""
    vpc = api.call("vpc", "CreateVpc", CidrBlock="10.0.0.0/16")["VpcId"]
    settled()
    vswitch = api.call("vpc", "CreateVSwitch", VpcId=vpc, ZoneId="cn-hangzhou-h", CidrBlock="10.0.1.0/24")["VSwitchId"]
    group = api.call("ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    wish = {"ImageId": IMAGE, "InstanceType": SMALL, "VSwitchId": vswitch, "SecurityGroupId": group}
    machine = str(api.call("ecs", "RunInstances", **wish)["InstanceIdSets"]["InstanceIdSet"][0])
    settled()
    eip = api.call("vpc", "AllocateEipAddress", InternetChargeType="PayByTraffic")["AllocationId"]
    api.call("vpc", "AssociateEipAddress", AllocationId=eip, InstanceId=machine)
    settled()
    return machine


def test_a_fetcher_rests_for_the_price_of_disk_and_address_and_is_called_there_again(
    fetcher: str, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def power(word: str, instance: str = fetcher) -> tuple[int, str, str]:
        call = {"region": "cn-hangzhou", "endpoint": service.cloud.endpoint, "instance": instance}
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(call)))
        code = main([word])
        said = capsys.readouterr()
        return code, said.out.strip(), said.err.strip()

    def seen() -> tuple[str, str, str]:
        machine = service.cloud.store.get(Instance, fetcher)
        assert machine
        return machine.status, machine.stopped_mode, machine.eip.ip_address

    address = seen()[2]
    assert address and power("power-on") == (0, "running", "")
    assert power("power-off") == (0, "stopped", "")
    assert power("power-off") == (0, "stopped", "")
    assert seen() == ("Stopped", "StopCharging", address)
    with service.cloud.lock:
        set_stock(service.cloud.store, "cn-hangzhou-h", SMALL, 0)
    assert power("power-on") == (
        1,
        "",
        f"the fetcher {fetcher} was stopped to save its price, and cn-hangzhou-h has no {SMALL} for it now "
        "(OperationDenied.NoStock): set cloud.fetcher.instanceType to another that the zone sells, or wait, and run "
        "`pulumi up` again",
    )
    with service.cloud.lock:
        set_stock(service.cloud.store, "cn-hangzhou-h", SMALL, 1)
    assert power("power-on") == (0, "running", "")
    assert seen() == ("Running", "Not-applicable", address)
    code, _, said = power("power-on", "i-none")
    assert code == 1 and "machine i-none is gone: run `pulumi refresh --yes --target" in said
