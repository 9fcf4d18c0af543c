"""A valid call of every action, in an order that works."""

import base64
import functools
import json
from collections.abc import Iterator
from typing import Any

from tests.support.cloud_account import Account

PUBLIC_KEY = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEOOeJEwvsOc7EC4jjOkn5OGmkzl"
    "SrZowj3klC621zEe2R3+TwzMAun1VlS2irZHq8qG9yPbuuWfISX3n+tVmi8= test"
)

ELSEWHERE = {
    ("Ecs", "UnTagResources"): "spells it otherwise",
    ("Vpc", "UntagResources"): "spells it otherwise",
    ("Ecs", "DeleteInstances"): "tested with a gang",
    ("NAS", "DescribeSmbAcl"): "tested with the refusals: NFS has none",
}
"""Actions that the one life of everything below doesn't call, and why."""

FAR = "2029-01-01T00:00:00Z"


def calls(account: Account) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """One life of everything, in an order that the cloud accepts; names of earlier things are filled in on the way."""
    call, wait = account.call, account.wait

    def do(product: str, action: str, **params: Any) -> dict[str, Any]:
        answer = call(product, action, **params)
        done.append((product, action))
        return answer

    done: list[tuple[str, str]] = []
    for product in ("Ecs", "Vpc", "NAS"):
        do(product, "DescribeRegions")
        do(product, "DescribeZones")
    do("Ecs", "DescribeInstanceTypes", InstanceTypes=["ecs.gn8is-2x.8xlarge"])
    do("Ecs", "DescribeInstanceTypeFamilies")
    do("Ecs", "DescribeAccountAttributes", AttributeName=["real-name-authentication"])
    do("Ecs", "DescribeAvailableResource", DestinationResource="InstanceType", InstanceType="ecs.gn8is-2x.8xlarge")
    image = do("Ecs", "DescribeImages", OSType="linux")["Images"]["Image"][0]["ImageId"]
    do("Ecs", "DescribeImageFromFamily", ImageFamily="acs:ubuntu_22_04_64")
    do("Ecs", "DescribeImageSupportInstanceTypes", ImageId=image)
    do("Ecs", "DescribePrice", InstanceType="ecs.g7.large", ResourceType="instance")
    do("Ecs", "DescribeSpotPriceHistory", InstanceType="ecs.g7.large", NetworkType="vpc")

    vpc = do("Vpc", "CreateVpc", CidrBlock="10.9.0.0/16", VpcName="a", ClientToken="one")["VpcId"]
    wait(lambda: do("Vpc", "DescribeVpcAttribute", VpcId=vpc)["Status"] == "Available")
    do("Vpc", "ModifyVpcAttribute", VpcId=vpc, Description="words")
    assert do("Vpc", "DescribeVpcs", VpcId=vpc)["Vpcs"]["Vpc"][0]["Description"] == "words"
    table = do("Vpc", "DescribeRouteTableList", VpcId=vpc)["RouterTableList"]["RouterTableListType"][0]
    assert (table["RouteTableType"], table["VpcId"]) == ("System", vpc)
    do("Vpc", "ModifyRouteTableAttributes", RouteTableId=table["RouteTableId"], RouteTableName="main")
    vswitch = do("Vpc", "CreateVSwitch", VpcId=vpc, ZoneId="cn-hangzhou-h", CidrBlock="10.9.1.0/24")["VSwitchId"]
    wait(lambda: do("Vpc", "DescribeVSwitchAttributes", VSwitchId=vswitch)["Status"] == "Available")
    do("Vpc", "ModifyVSwitchAttribute", VSwitchId=vswitch, VSwitchName="b")
    assert do("Vpc", "DescribeVSwitches", VpcId=vpc)["VSwitches"]["VSwitch"][0]["VSwitchName"] == "b"
    do("Vpc", "DescribeRouteEntryList", RouteTableId=table["RouteTableId"])
    do("Vpc", "TagResources", ResourceType="VPC", ResourceId=[vpc], Tag=[{"Key": "k", "Value": "v"}])
    tags = do("Vpc", "ListTagResources", ResourceType="VPC", ResourceId=[vpc])["TagResources"]["TagResource"]
    assert [(tag["TagKey"], tag["TagValue"]) for tag in tags] == [("k", "v")]
    do("Vpc", "UnTagResources", ResourceType="VPC", ResourceId=[vpc], TagKey=["k"])

    group = do("Ecs", "CreateSecurityGroup", VpcId=vpc, SecurityGroupName="gg")["SecurityGroupId"]
    other = do("Ecs", "CreateSecurityGroup", VpcId=vpc)["SecurityGroupId"]
    do("Ecs", "ModifySecurityGroupAttribute", SecurityGroupId=group, Description="words")
    do("Ecs", "ModifySecurityGroupPolicy", SecurityGroupId=group, InnerAccessPolicy="Drop")
    rule = {"IpProtocol": "tcp", "PortRange": "8000/8000", "Policy": "accept", "Priority": "1"}
    do("Ecs", "AuthorizeSecurityGroup", SecurityGroupId=group, Permissions=[{**rule, "SourceCidrIp": "100.64.0.0/10"}])
    do("Ecs", "AuthorizeSecurityGroupEgress", SecurityGroupId=group, Permissions=[{**rule, "DestCidrIp": "0.0.0.0/0"}])
    rules = do("Ecs", "DescribeSecurityGroupAttribute", SecurityGroupId=group)["Permissions"]["Permission"]
    assert [(one["Direction"], one["IpProtocol"]) for one in rules] == [("ingress", "TCP"), ("egress", "TCP")]
    ids = [one["SecurityGroupRuleId"] for one in rules]
    do("Ecs", "ModifySecurityGroupRule", SecurityGroupId=group, SecurityGroupRuleId=ids[0], Description="in")
    do("Ecs", "ModifySecurityGroupEgressRule", SecurityGroupId=group, SecurityGroupRuleId=ids[1], Description="out")
    do("Ecs", "DescribeSecurityGroups", SecurityGroupIds=json.dumps([group]))
    do("Ecs", "ImportKeyPair", KeyPairName="pp", PublicKeyBody=PUBLIC_KEY)
    assert "BEGIN RSA" in do("Ecs", "CreateKeyPair", KeyPairName="qq")["PrivateKeyBody"]
    assert do("Ecs", "DescribeKeyPairs", KeyPairName="pp")["KeyPairs"]["KeyPair"][0]["KeyPairName"] == "pp"

    machine = do(
        "Ecs",
        "RunInstances",
        ImageId=image,
        InstanceType="ecs.g7.large",
        VSwitchId=vswitch,
        SecurityGroupId=group,
        KeyPairName="pp",
        UserData=base64.b64encode(b"#!/bin/sh\ntrue\n").decode(),
        AutoReleaseTime=FAR,
        Tag=[{"Key": "stack", "Value": "t"}],
    )["InstanceIdSets"]["InstanceIdSet"][0]
    one = json.dumps([machine])

    def status() -> str:
        return str(do("Ecs", "DescribeInstances", InstanceIds=one)["Instances"]["Instance"][0]["Status"])

    wait(lambda: status() == "Running")
    do("Ecs", "DescribeInstanceStatus", InstanceId=[machine])
    assert do("Ecs", "DescribeInstanceAttribute", InstanceId=machine)["InstanceId"] == machine
    assert do("Ecs", "DescribeUserData", InstanceId=machine)["UserData"]
    do("Ecs", "DescribeInstanceRamRole", InstanceIds=one)
    do("Ecs", "DescribeInstanceMaintenanceAttributes", InstanceId=[machine])
    do("Ecs", "DescribeInstanceAttachmentAttributes", InstanceIds=one)
    do("Ecs", "DescribeInstanceAutoRenewAttribute", InstanceId=machine)
    disk = do("Ecs", "DescribeDisks", InstanceId=machine, DiskType="system")["Disks"]["Disk"][0]
    assert disk["InstanceId"] == machine
    do("Ecs", "ModifyDiskAttribute", DiskId=disk["DiskId"], DiskName="root")
    do("Ecs", "ResizeDisk", DiskId=disk["DiskId"], NewSize=461)
    do("Ecs", "ModifyDiskSpec", DiskId=disk["DiskId"], PerformanceLevel="PL2")
    cards = do("Ecs", "DescribeNetworkInterfaces", InstanceId=machine)["NetworkInterfaceSets"]["NetworkInterfaceSet"]
    card = cards[0]["NetworkInterfaceId"]
    do("Ecs", "ModifyNetworkInterfaceAttribute", NetworkInterfaceId=card, Description="words")
    do("Ecs", "TagResources", ResourceType="instance", ResourceId=[machine], Tag=[{"Key": "k", "Value": "v"}])
    do("Ecs", "ListTagResources", ResourceType="instance", ResourceId=[machine])
    do("Ecs", "DescribeTags", ResourceId=machine, ResourceType="instance")
    do("Ecs", "UntagResources", ResourceType="instance", ResourceId=[machine], TagKey=["k"])
    do("Ecs", "JoinSecurityGroup", InstanceId=machine, SecurityGroupId=other)
    do("Ecs", "LeaveSecurityGroup", InstanceId=machine, SecurityGroupId=other)
    do("Ecs", "ModifyInstanceAttribute", InstanceId=machine, InstanceName="nn")
    do("Ecs", "ModifyInstanceAutoReleaseTime", InstanceId=machine, AutoReleaseTime="")
    do("Ecs", "ModifyInstanceMetadataOptions", InstanceId=machine, HttpEndpoint="enabled", HttpTokens="required")
    do("Ecs", "ModifyInstanceMaintenanceAttributes", InstanceId=[machine], ActionOnMaintenance="Stop")
    do("Ecs", "DetachKeyPair", KeyPairName="pp", InstanceIds=one)
    do("Ecs", "AttachKeyPair", KeyPairName="pp", InstanceIds=one)
    do("Ecs", "RebootInstance", InstanceId=machine)
    wait(lambda: status() == "Running")
    do("Ecs", "StopInstance", InstanceId=machine, ForceStop=True)
    wait(lambda: status() == "Stopped")
    do("Ecs", "ModifyInstanceSpec", InstanceId=machine, InstanceType="ecs.g7.xlarge")
    do("Ecs", "ModifyInstanceVpcAttribute", InstanceId=machine, VSwitchId=vswitch, PrivateIpAddress="10.9.1.77")
    wait(lambda: status() == "Stopped")
    do("Ecs", "ReplaceSystemDisk", InstanceId=machine, ImageId=image)
    wait(lambda: status() == "Stopped")
    do("Ecs", "StartInstance", InstanceId=machine)
    wait(lambda: status() == "Running")

    eip = do("Vpc", "AllocateEipAddress", Bandwidth="10")["AllocationId"]

    def address() -> dict[str, Any]:
        return dict(do("Vpc", "DescribeEipAddresses", AllocationId=eip)["EipAddresses"]["EipAddress"][0])

    do("Vpc", "ModifyEipAddressAttribute", AllocationId=eip, Name="door")
    do("Vpc", "AssociateEipAddress", AllocationId=eip, InstanceId=machine)
    wait(lambda: address()["Status"] == "InUse" and address()["InstanceId"] == machine)
    do("Vpc", "ModifyEipForwardMode", InstanceId=eip, Mode="NAT")
    do("Vpc", "DescribeHighDefinitionMonitorLogAttribute", InstanceId=eip, InstanceType="EIP")
    do("Vpc", "UnassociateEipAddress", AllocationId=eip, InstanceId=machine)
    wait(lambda: address()["Status"] == "Available")
    do("Vpc", "DeletionProtection", InstanceId=eip, Type="EIP", ProtectionEnable=False)
    do("Vpc", "ReleaseEipAddress", AllocationId=eip)
    do("Ecs", "ModifyInstanceNetworkSpec", InstanceId=machine, InternetMaxBandwidthOut=5)
    do("Ecs", "AllocatePublicIpAddress", InstanceId=machine)

    extreme = do(
        "NAS",
        "CreateFileSystem",
        FileSystemType="extreme",
        StorageType="standard",
        ProtocolType="NFS",
        ZoneId="cn-hangzhou-h",
        Capacity=100,
    )["FileSystemId"]
    system = do("NAS", "CreateFileSystem", StorageType="Performance", ProtocolType="NFS")["FileSystemId"]

    def running(key: str) -> bool:
        systems = do("NAS", "DescribeFileSystems", FileSystemId=key)["FileSystems"]["FileSystem"]
        return bool(systems[0]["Status"] == "Running")

    for key in (extreme, system):
        wait(functools.partial(running, key))
    do("NAS", "UpgradeFileSystem", FileSystemId=extreme, Capacity=200)
    do("NAS", "ModifyFileSystem", FileSystemId=system, Description="words")
    for action in ("GetRecycleBinAttribute", "EnableRecycleBin", "UpdateRecycleBinAttribute"):
        do("NAS", action, FileSystemId=system, **({"ReservedDays": 5} if action != "GetRecycleBinAttribute" else {}))
    for action in ("DisableAndCleanRecycleBin", "EnableNfsAcl", "DescribeNfsAcl", "DisableNfsAcl"):
        do("NAS", action, FileSystemId=system)
    do("NAS", "TagResources", ResourceType="filesystem", ResourceId=[system], Tag=[{"Key": "k", "Value": "v"}])
    do("NAS", "ListTagResources", ResourceType="filesystem", ResourceId=[system])
    do("NAS", "UntagResources", ResourceType="filesystem", ResourceId=[system], TagKey=["k"])
    do("NAS", "CreateAccessGroup", AccessGroupName="agr", AccessGroupType="Vpc")
    do("NAS", "ModifyAccessGroup", AccessGroupName="agr", Description="words")
    do("NAS", "DescribeAccessGroups", AccessGroupName="agr")
    allowed = do("NAS", "CreateAccessRule", AccessGroupName="agr", SourceCidrIp="10.9.0.0/16")["AccessRuleId"]
    do("NAS", "ModifyAccessRule", AccessGroupName="agr", AccessRuleId=allowed, Priority=2)
    assert do("NAS", "DescribeAccessRules", AccessGroupName="agr")["AccessRules"]["AccessRule"][0]["Priority"] == 2
    where = {"VpcId": vpc, "VSwitchId": vswitch, "AccessGroupName": "agr", "NetworkType": "Vpc"}
    domain = do("NAS", "CreateMountTarget", FileSystemId=system, **where)["MountTargetDomain"]

    def targets() -> list[dict[str, Any]]:
        return list(do("NAS", "DescribeMountTargets", FileSystemId=system)["MountTargets"]["MountTarget"])

    wait(lambda: targets()[0]["Status"] == "Active")
    do("NAS", "ModifyMountTarget", FileSystemId=system, MountTargetDomain=domain, Status="Inactive")
    do("NAS", "DeleteMountTarget", FileSystemId=system, MountTargetDomain=domain)
    wait(lambda: not targets())
    for key in (extreme, system):
        do("NAS", "DeleteFileSystem", FileSystemId=key)
    do("NAS", "DeleteAccessRule", AccessGroupName="agr", AccessRuleId=allowed)
    do("NAS", "DeleteAccessGroup", AccessGroupName="agr")

    do("Ecs", "DeleteInstance", InstanceId=machine, Force=True)
    wait(lambda: not do("Ecs", "DescribeInstances", InstanceIds=one)["Instances"]["Instance"])
    wait(lambda: not do("Ecs", "DescribeNetworkInterfaces")["NetworkInterfaceSets"]["NetworkInterfaceSet"])
    do("Ecs", "DeleteKeyPairs", KeyPairNames='["pp", "qq"]')
    do("Ecs", "RevokeSecurityGroup", SecurityGroupId=group, SecurityGroupRuleId=ids[:1])
    do("Ecs", "RevokeSecurityGroupEgress", SecurityGroupId=group, SecurityGroupRuleId=ids[1:])
    for key in (group, other):
        do("Ecs", "DeleteSecurityGroup", SecurityGroupId=key)
    do("Vpc", "DeleteVSwitch", VSwitchId=vswitch)
    wait(lambda: not do("Vpc", "DescribeVSwitches", VpcId=vpc)["VSwitches"]["VSwitch"])
    do("Vpc", "DeleteVpc", VpcId=vpc)
    wait(lambda: not do("Vpc", "DescribeVpcs")["Vpcs"]["Vpc"])
    wait(lambda: not do("NAS", "DescribeFileSystems")["FileSystems"]["FileSystem"])
    wait(lambda: not do("Vpc", "DescribeEipAddresses")["EipAddresses"]["EipAddress"])
    for product, action in done:
        yield product, action, {}
