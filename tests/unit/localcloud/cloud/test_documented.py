"""Rules of Alibaba Cloud's documents that a program may run into, one by one."""

from dataclasses import replace
from typing import Any

import pytest

from localcloud.cloud.backend import MemoryBackend
from localcloud.cloud.model import Eip, FileSystem, Instance, SecurityGroup, Vpc
from localcloud.cloud.settings import Settings
from localcloud.errors import LocalCloudError
from tests.support.cloud_account import Account, error_code
from tests.support.cloud_world import World

RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC"
NFS = {"StorageType": "Performance", "ProtocolType": "NFS"}


@pytest.fixture
def world(account: Account) -> World:
    return World(account)


def public(world: World, machine: str) -> list[str]:
    return list(world.seen(machine)[0]["PublicIpAddress"]["IpAddress"])


def files(world: World, **wish: Any) -> str:
    key = str(world.call("NAS", "CreateFileSystem", **{**NFS, **wish})["FileSystemId"])
    find = lambda: world.call("NAS", "DescribeFileSystems", FileSystemId=key)["FileSystems"]["FileSystem"][0]  # noqa: E731
    world.account.wait(lambda: find()["Status"] == "Running")
    return key


def mount(world: World, system: str, group: str = "DEFAULT_VPC_GROUP_NAME") -> str:
    where = {"VSwitchId": world.vswitch, "NetworkType": "Vpc", "AccessGroupName": group}
    domain = str(world.call("NAS", "CreateMountTarget", FileSystemId=system, **where)["MountTargetDomain"])
    find = lambda: world.call("NAS", "DescribeMountTargets", FileSystemId=system)["MountTargets"]["MountTarget"]  # noqa: E731
    world.account.wait(lambda: all(each["Status"] == "Active" for each in find()))
    return domain


def test_an_economical_stop_gives_back_place_and_public_address(world: World, backend: MemoryBackend) -> None:
    """Another address at the start, or none at all when the place is sold meanwhile; an EIP stays."""
    [machine] = world.run(InternetMaxBandwidthOut=5)
    world.running(machine)
    stop = {"InstanceId": machine, "StoppedMode": "StopCharging"}
    before = public(world, machine)
    assert error_code(world.call, "Ecs", "StopInstance", **stop, DryRun=True) == "DryRunOperation"
    world.call("Ecs", "StopInstance", **stop)
    world.account.wait(lambda: world.seen(machine)[0]["Status"] == "Stopped")
    assert (public(world, machine), world.seen(machine)[0]["StoppedMode"]) == ([], "StopCharging")
    assert backend.publics[machine] is None
    world.account.admin("stock", zone="cn-hangzhou-b", type="ecs.g7.large", left=0)
    assert error_code(world.call, "Ecs", "StartInstance", InstanceId=machine) == "OperationDenied.NoStock"
    world.account.admin("stock", zone="cn-hangzhou-b", type="ecs.g7.large", left=1)
    world.call("Ecs", "StartInstance", InstanceId=machine)
    world.running(machine)
    assert public(world, machine) not in ([], before)
    assert error_code(world.run) == "OperationDenied.NoStock"  # the only place is taken

    world.call("Ecs", "StopInstance", InstanceId=machine)
    world.account.wait(lambda: world.seen(machine)[0]["Status"] == "Stopped")
    assert world.seen(machine)[0]["StoppedMode"] == "KeepCharging" and public(world, machine)
    world.call("Ecs", "ModifyInstanceNetworkSpec", InstanceId=machine, InternetMaxBandwidthOut=0)
    assert public(world, machine) == []
    eip = world.call("Vpc", "AllocateEipAddress", InternetChargeType="PayByTraffic")
    world.call("Vpc", "AssociateEipAddress", AllocationId=eip["AllocationId"], InstanceId=machine)
    world.call("Ecs", "StartInstance", InstanceId=machine)
    world.running(machine)
    world.call("Ecs", "StopInstance", **stop)
    world.account.wait(lambda: world.seen(machine)[0]["Status"] == "Stopped")
    assert world.seen(machine)[0]["EipAddress"]["IpAddress"] == eip["EipAddress"]


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJIdkq0cZ7LdCkT5xFkzcnNyyVXZ2Z3K5y7v1cZ9A4t", False),
        ("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGJIdkq0cZ7LdCkT5xFkzcnNyyVXZ2Z3K5y7v1cZ9A4t", False),
        ("nonsense", False),
        ("ssh-rsa nonsense", False),
        ("ssh-rsa AAAAB3Nza12345678qwertyuudsfsg", True),
        (RSA, True),
        (f"{RSA.replace('ssh-rsa', 'ssh-dss')} me@here", True),
        (RSA.replace("ssh-rsa", "ecdsa-sha2-nistp256"), True),
    ],
)
def test_a_key_pair_is_of_a_type_that_the_help_names(account: Account, body: str, taken: bool) -> None:
    wish = {"KeyPairName": "pair", "PublicKeyBody": body}
    if taken:
        assert account.call("Ecs", "ImportKeyPair", **wish)["KeyPairName"] == "pair"
    else:
        assert error_code(account.call, "Ecs", "ImportKeyPair", **wish) == "InvalidPublicKeyBody.Malformed"


def test_nas_goes_from_the_outside_in_with_its_own_codes(world: World) -> None:
    """Mount target, file system and access group; each takes a while, and says so."""
    for kind, more in (("standard", {}), ("extreme", {"StorageType": "standard", "ZoneId": "cn-hangzhou-b"})):
        world.call("NAS", "CreateAccessGroup", AccessGroupName="mine", AccessGroupType="Vpc", FileSystemType=kind)
        system = files(world, FileSystemType=kind, **({"Capacity": 100} if more else {}), **more)
        domain = mount(world, system, "mine")
        delete = {"AccessGroupName": "mine", "FileSystemType": kind}
        assert error_code(world.call, "NAS", "DeleteFileSystem", FileSystemId=system) == (
            "OperationDenied.MountTargetNotEmpty"
        )
        assert error_code(world.call, "NAS", "DeleteAccessGroup", **delete) == "InvalidAccessGroup.AlreadyAttached"
        assert error_code(world.call, "Vpc", "DeleteVSwitch", VSwitchId=world.vswitch) == "DependencyViolation"
        mount(world, system, "mine")
        assert error_code(mount, world, system, "mine") == "OperationDenied.MountTargetCountsExceeded"
        cloud = world.account.service.cloud
        cloud.settings = replace(cloud.settings, speed=20.0)
        world.call("NAS", "DeleteMountTarget", FileSystemId=system, MountTargetDomain=domain)
        again = {"FileSystemId": system, "MountTargetDomain": domain}
        assert error_code(world.call, "NAS", "DeleteMountTarget", **again) == "OperationDenied.InvalidState"
        assert error_code(world.call, "NAS", "DeleteFileSystem", FileSystemId=system) == (
            "OperationDenied.MountTargetNotEmpty"
        )
        cloud.settings = replace(cloud.settings, speed=200.0)


def test_nas_counts(account: Account) -> None:
    for _ in range(20):
        account.call("NAS", "CreateFileSystem", **NFS)
    assert error_code(account.call, "NAS", "CreateFileSystem", **NFS) == "OperationDenied.FileSystemCountsExceeded"
    group = {"AccessGroupType": "Vpc"}
    for number in range(20):
        account.call("NAS", "CreateAccessGroup", AccessGroupName=f"group{number}", **group)
    last = error_code(account.call, "NAS", "CreateAccessGroup", AccessGroupName="more", **group)
    assert last == "OperationDenied.AccessGroupCountsExceeded"
    [found] = account.call("NAS", "DescribeAccessGroups", AccessGroupName="DEFAULT_VPC_GROUP_NAME")["AccessGroups"][
        "AccessGroup"
    ]
    assert found["RuleCount"] == 1
    default = {"AccessGroupName": "DEFAULT_VPC_GROUP_NAME"}
    assert error_code(account.call, "NAS", "DeleteAccessGroup", **default).endswith("DefaultAccessGroupCannotDelete")
    assert error_code(account.call, "NAS", "CreateAccessRule", SourceCidrIp="10.0.0.0/8", **default).endswith("Modify")


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (
            {"SystemDisk": {"Category": "cloud_essd", "Size": 460, "PerformanceLevel": "PL2"}},
            "InvalidSystemDiskSize.LessThanMinSize",
        ),
        (
            {"SystemDisk": {"Category": "cloud_essd", "Size": 1260, "PerformanceLevel": "PL3"}},
            "InvalidSystemDiskSize.LessThanMinSize",
        ),
        ({"SystemDisk": {"Category": "cloud_essd_entry"}}, "InvalidSystemDiskCategory.ValueNotSupported"),
        ({"SystemDisk": {"KMSKeyId": "key"}}, "UnsupportedParameter.LocalCloud"),
        ({"InstanceChargeType": "PrePaid", "Period": 1}, "UnsupportedParameter.LocalCloud"),
        ({"RamRoleName": "role"}, "UnsupportedParameter.LocalCloud"),
        ({"HpcClusterId": "hpc"}, "UnsupportedParameter.LocalCloud"),
        ({"SpotStrategy": "SpotAsPriceGo", "SpotDuration": 3}, "InvalidSpotDuration"),
        ({"Amount": 1, "MinAmount": 2}, "InvalidParameter.MinAmount"),
        ({"InstanceName": "1st"}, "InvalidInstanceName.Malformed"),
        ({"InstanceName": "http://a"}, "InvalidInstanceName.Malformed"),
        ({"HostName": "-a"}, "InvalidHostName.Malformed"),
        ({"HostName": "a..b"}, "InvalidHostName.Malformed"),
        ({"Password": "password"}, "InvalidPassword.Malformed"),
        ({"Tag": [{"Key": f"k{n}", "Value": "v"} for n in range(21)]}, "NumberExceed.Tags"),
        ({"Tag": [{"Key": "acs:a", "Value": "v"}]}, "InvalidTagKey.Malformed"),
        ({"Tag": [{"Key": "aliyun-a", "Value": "v"}]}, "InvalidTagKey.Malformed"),
    ],
)
def test_what_a_machine_may_be(world: World, wish: dict[str, Any], code: str) -> None:
    assert error_code(world.run, **wish) == code
    assert not world.account.service.cloud.store.all(Instance)


def test_what_a_machine_may_be_is_also_rented(world: World) -> None:
    world.run(
        SystemDisk={"Category": "cloud_essd", "Size": 461, "PerformanceLevel": "PL2"},
        InstanceName="node-0.a_b:c",
        HostName="node-0.local",
        Tag=[{"Key": f"k{n}", "Value": "v"} for n in range(20)],
        **{"Password": "Secret12!x"},
    )
    world.run(InstanceType="ecs.u1-c1m2.large", SystemDisk={"Category": "cloud_essd_entry"})


@pytest.mark.parametrize(
    ("product", "action", "wish", "code"),
    [
        ("Vpc", "CreateVpc", {"EnableIpv6": True}, "UnsupportedParameter.LocalCloud"),
        ("Vpc", "CreateVpc", {"DryRun": True}, "DryRunOperation"),
        ("Vpc", "CreateVpc", {"VpcName": "https://a"}, "InvalidVpcName.Malformed"),
        ("NAS", "CreateFileSystem", {**NFS, "KmsKeyId": "key", "EncryptType": 2}, "UnsupportedParameter.LocalCloud"),
        ("NAS", "CreateFileSystem", {**NFS, "Description": "1"}, "InvalidDescription.InvalidFormat"),
        (
            "NAS",
            "CreateAccessGroup",
            {"AccessGroupName": "a.b", "AccessGroupType": "Vpc"},
            "InvalidAccessGroupName.InvalidFormat",
        ),
        ("Ecs", "CreateSecurityGroup", {}, "UnsupportedParameter.LocalCloud"),
        (
            "Vpc",
            "AllocateEipAddress",
            {"InternetChargeType": "PayByTraffic", "Bandwidth": "300"},
            "InvalidParameter.Bandwidth",
        ),
    ],
)
def test_what_is_not_here_is_refused(
    account: Account, product: str, action: str, wish: dict[str, Any], code: str
) -> None:
    assert error_code(account.call, product, action, **wish) == code
    store = account.service.cloud.store
    assert not [kind for kind in (Vpc, FileSystem, SecurityGroup, Eip) if store.all(kind)]


def test_a_dry_run_does_nothing(world: World) -> None:
    [machine] = world.run()
    world.running(machine)
    assert error_code(world.call, "Ecs", "DeleteInstance", InstanceId=machine, Force=True, DryRun=True) == (
        "DryRunOperation"
    )
    assert error_code(world.call, "Ecs", "RebootInstance", InstanceId=machine, DryRun=True) == "DryRunOperation"
    assert world.seen(machine)[0]["Status"] == "Running"
    assert world.call("NAS", "CreateFileSystem", **NFS, DryRun=True)["FileSystemId"] == ""
    assert not world.account.service.cloud.store.all(FileSystem)


def test_rules_of_security_groups(world: World) -> None:
    call, group = world.call, world.group
    vpc = call("Vpc", "CreateVpc", CidrBlock="10.1.0.0/16")["VpcId"]
    far = call("Ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    near = call("Ecs", "CreateSecurityGroup", VpcId=world.vpc)["SecurityGroupId"]
    wide = call("Ecs", "CreateSecurityGroup", VpcId=world.vpc, SecurityGroupType="enterprise")["SecurityGroupId"]

    def rule(of: str, action: str = "AuthorizeSecurityGroup", **what: str) -> str:
        plain = {"IpProtocol": "tcp", "PortRange": "22/22", "Policy": "accept", "Priority": "1"}
        return error_code(call, "Ecs", action, SecurityGroupId=of, Permissions=[{**plain, **what}])

    assert rule(group, SourceGroupId=group) == "InvalidParamter.Conflict"
    assert rule(group, "AuthorizeSecurityGroupEgress", DestGroupId=group) == "InvalidSecurityGroup.IsSame"
    assert rule(group, SourceGroupId=far) == "InvalidSourceGroupId.Mismatch"
    assert rule(wide, SourceGroupId=near) == "InvalidGroupParameter.OperationDenied"
    assert rule(group, SourceCidrIp="10.0.0.0/8", PortRange="-1/-1") == "InvalidPortRange.Malformed"
    assert rule(group, SourceCidrIp="10.0.0.0/8", NicType="internet") == "InvalidNicType.ValueNotSupported"

    [machine] = world.run()
    more = [call("Ecs", "CreateSecurityGroup", VpcId=world.vpc)["SecurityGroupId"] for _ in range(5)]
    for each in more[:4]:
        call("Ecs", "JoinSecurityGroup", InstanceId=machine, SecurityGroupId=each)
    sixth = {"InstanceId": machine, "SecurityGroupId": more[4]}
    assert error_code(call, "Ecs", "JoinSecurityGroup", **sixth) == "InstanceSecurityGroupLimitExceed"


def test_filters_filter(world: World) -> None:
    """What a program asks for by them is not everything: a sweep would see too much."""
    [one], [other] = world.run(InstanceName="web-1", ResourceGroupId="rg-a"), world.run(InstanceName="api-1")
    call = world.call

    def machines(**wish: Any) -> list[str]:
        return [each["InstanceId"] for each in call("Ecs", "DescribeInstances", **wish)["Instances"]["Instance"]]

    assert machines(InstanceName="web*") == [one]
    assert machines(InstanceName="*-1") == [one, other]
    assert machines(ResourceGroupId="rg-a") == [one]
    assert machines(LockReason="recycling") == []
    world.account.admin("reclaim", instance=other, seconds=60)
    assert machines(LockReason="recycling") == [other]
    assert call("Vpc", "DescribeVpcs", IsDefault=True)["Vpcs"]["Vpc"] == []
    assert len(call("Vpc", "DescribeVpcs", IsDefault=False)["Vpcs"]["Vpc"]) == 1
    assert call("Vpc", "DescribeVpcs", VpcOwnerId=1)["Vpcs"]["Vpc"] == []
    assert call("Vpc", "DescribeVSwitches", IsDefault=True)["VSwitches"]["VSwitch"] == []
    assert call("Ecs", "DescribeImages", ImageOwnerId=1)["Images"]["Image"] == []
    groups = call("Ecs", "DescribeSecurityGroups", ResourceGroupId="rg-none")["SecurityGroups"]["SecurityGroup"]
    assert groups == []


def test_an_address_of_an_instance_names_no_network(world: World) -> None:
    """The provider would replace the association at each `up` after a refresh."""
    [machine] = world.run()
    world.running(machine)
    eip = world.call("Vpc", "AllocateEipAddress")["AllocationId"]
    world.call("Vpc", "AssociateEipAddress", AllocationId=eip, InstanceId=machine)
    [found] = world.call("Vpc", "DescribeEipAddresses", AllocationId=eip)["EipAddresses"]["EipAddress"]
    assert (found["InstanceId"], found["VpcId"], found["PrivateIpAddress"]) == (machine, "", "")


def test_what_has_no_description_shows_none(world: World) -> None:
    system = files(world)
    [found] = world.call("NAS", "DescribeFileSystems", FileSystemId=system)["FileSystems"]["FileSystem"]
    assert found["Description"] == ""


def test_maintenance_windows_take_effect(world: World) -> None:
    [machine] = world.run()
    window = {"StartTime": "02:00:00", "EndTime": "06:00:00"}
    world.call("Ecs", "ModifyInstanceMaintenanceAttributes", InstanceId=[machine], MaintenanceWindow=[window])
    [found] = world.call("Ecs", "DescribeInstanceMaintenanceAttributes", InstanceId=[machine])["MaintenanceAttributes"][
        "MaintenanceAttribute"
    ]
    assert found["MaintenanceWindows"]["MaintenanceWindow"] == [window]


def test_another_region_is_another_cloud(account: Account) -> None:
    assert (
        error_code(account.call, "Vpc", "DescribeVpcs", RegionId="cn-wulanchabu") == "UnsupportedParameter.LocalCloud"
    )
    assert error_code(account.call, "Vpc", "DescribeVpcs", RegionId="mars-1") == "InvalidRegionId.NotFound"
    with pytest.raises(
        LocalCloudError, match=r"The region 'mars-1' is not in the catalogue: choose one of cn-hangzhou,"
    ):
        Settings(region="mars-1").check()


def test_what_the_account_may_rent_and_has_rented(world: World) -> None:
    """The attributes that Alibaba's client documents; the billing API tells the balance."""

    def attributes(*names: str) -> dict[str, str]:
        found = world.call("Ecs", "DescribeAccountAttributes", AttributeName=list(names))
        items = found["AccountAttributeItems"]["AccountAttributeItem"]
        return {each["AttributeName"]: each["AttributeValues"]["ValueItem"][0]["Value"] for each in items}

    used = "used-postpaid-instance-vcpu-count"
    assert attributes("real-name-authentication", used) == {"real-name-authentication": "yes", used: "0"}
    world.run(Amount=2)
    world.account.admin("quota", cpus=9)
    world.account.admin("account", realName="none", balance="3.50")
    found = attributes()
    assert (found["real-name-authentication"], found["max-postpaid-instance-vcpu-count"], found[used]) == (
        "none",
        "9",
        "4",
    )
    code = error_code(world.call, "Ecs", "DescribeAccountAttributes", AttributeName=["nonsense"])
    assert code == "InvalidParameter.AttributeName"
