"""The local cloud with real machines: boot, addresses, firewall, names, folders, release."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from darabonba.exceptions import DaraException

from localcloud.cloud.model import Problem
from localcloud.cloud.real_backend import RealBackend
from localcloud.cloud.service import Service
from localcloud.cloud.settings import Settings
from tests.support.rented import PUBLIC, Deployment, opens

pytestmark = pytest.mark.root


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = Settings.load(tmp_path, {"public_network": PUBLIC})
    service = Service(tmp_path, settings)
    service.start()
    yield service
    service.stop()
    RealBackend(tmp_path, PUBLIC).wipe()


def test_a_deployment_lives_on_real_machines(service: Service, tmp_path: Path) -> None:
    """From RunInstances to release: each promise of the API is looked at on the machine or from outside."""
    world = Deployment(service, tmp_path)
    call, wait = world.account.call, world.account.wait
    system = call("NAS", "CreateFileSystem", StorageType="Performance", ProtocolType="NFS")["FileSystemId"]
    call("NAS", "CreateAccessGroup", AccessGroupName="agr", AccessGroupType="Vpc")
    call("NAS", "CreateAccessRule", AccessGroupName="agr", SourceCidrIp="10.93.0.0/16")

    machines = [world.run(vswitch, bandwidth) for vswitch, bandwidth in zip(world.vswitches, (5, 0), strict=True)]
    seen = [world.until(machine, "Running") for machine in machines]
    private = [one["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0] for one in seen]
    public = seen[0]["PublicIpAddress"]["IpAddress"][0]
    assert [address.rsplit(".", 1)[0] for address in private] == ["10.93.1", "10.93.2"]

    # The public address answers, with the host key of the user data, after user data ran once.
    wait(lambda: opens(public, 22), 30)
    wait(lambda: "web" in world.ssh(public, "systemctl list-units web.service --no-legend"), 20)
    said = world.ssh(public, "hostname; cat /root/ran; stat -c %a /etc/marker; ls '/root/a b'; hostname -I")
    assert said.split("\n")[:4] == [seen[0]["HostName"], "once", "600", "/root/a b"]
    assert private[0] in said

    # Only what the group allows: from outside nothing else, inside members reach each other over vSwitches.
    assert not opens(public, 8000)
    assert not opens(private[0], 8000)
    assert not opens(private[1], 22)
    world.ssh(public, f"timeout 5 bash -c '</dev/tcp/{private[1]}/8000'")
    world.allow(8000, "0.0.0.0/0")
    assert opens(public, 8000)
    world.forbid(8000, "0.0.0.0/0")
    assert not opens(public, 8000)

    # The file system: its name resolves, it mounts, and files are shared.
    running = ("NAS", "DescribeFileSystems")
    wait(lambda: call(*running, FileSystemId=system)["FileSystems"]["FileSystem"][0]["Status"] == "Running")
    where = {"VpcId": world.vpc, "VSwitchId": world.vswitches[0], "AccessGroupName": "agr", "NetworkType": "Vpc"}
    domain = call("NAS", "CreateMountTarget", FileSystemId=system, **where)["MountTargetDomain"]
    assert domain in world.ssh(public, f"getent hosts {domain}")
    mount = f"mkdir -p /n && mount -t nfs -o vers=3,nolock,proto=tcp,noresvport {domain}:/ /n"
    world.ssh(public, f"{mount} && echo weights > /n/file")

    # An elastic address leads to the second machine, and then no longer.
    eip = call("Vpc", "AllocateEipAddress")
    call("Vpc", "AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=machines[1])
    assert world.ssh(eip["EipAddress"], f"{mount} && cat /n/file") == "weights\n"
    call("Vpc", "UnassociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=machines[1])
    assert not opens(eip["EipAddress"], 22)

    # Power: a machine that switches itself off is seen, starts again with its disk, and user data does not run again.
    world.ssh(public, "systemd-run --timer-property=AccuracySec=1ms --on-active=1 systemctl poweroff")
    world.until(machines[0], "Stopped")
    call("Ecs", "StartInstance", InstanceId=machines[0])
    world.until(machines[0], "Running")
    wait(lambda: opens(public, 22), 30)
    assert world.ssh(public, "cat /root/ran") == "once\n"

    # A stop in economical mode gives its address away: it answers at another.
    call("Ecs", "StopInstance", InstanceId=machines[0], StoppedMode="StopCharging")
    assert world.until(machines[0], "Stopped")["PublicIpAddress"]["IpAddress"] == []
    call("Ecs", "StartInstance", InstanceId=machines[0])
    [public], before = world.until(machines[0], "Running")["PublicIpAddress"]["IpAddress"], public
    wait(lambda: opens(public, 22), 30)
    assert world.ssh(public, "cat /root/ran") == "once\n" and public != before and not opens(before, 22)

    # Release at its time; then everything goes in the cloud's order.
    world.account.admin("release-at", instance=machines[0], seconds=0)
    world.until(machines[0], "gone")
    assert not opens(public, 22)
    with pytest.raises(DaraException, match="dependent resources"):
        call("Vpc", "DeleteVSwitch", VSwitchId=world.vswitches[1])
    call("Ecs", "DeleteInstance", InstanceId=machines[1], Force=True)
    world.until(machines[1], "gone")
    call("NAS", "DeleteMountTarget", FileSystemId=system, MountTargetDomain=domain)
    wait(lambda: not call("NAS", "DescribeMountTargets", FileSystemId=system)["MountTargets"]["MountTarget"])
    call("NAS", "DeleteFileSystem", FileSystemId=system)
    wait(lambda: not call("Ecs", "DescribeNetworkInterfaces")["NetworkInterfaceSets"]["NetworkInterfaceSet"])
    for vswitch in world.vswitches:
        call("Vpc", "DeleteVSwitch", VSwitchId=vswitch)
        wait(
            lambda: all(
                each["Status"] == "Available" for each in call("Vpc", "DescribeVSwitches")["VSwitches"]["VSwitch"]
            )
        )
    call("Ecs", "DeleteSecurityGroup", SecurityGroupId=world.group)
    call("Vpc", "DeleteVpc", VpcId=world.vpc)
    assert not list((tmp_path / "machines" / "machines").glob("*/machine.json"))
    assert not service.cloud.store.all(Problem)
