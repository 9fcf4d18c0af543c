"""What the real provider code calls in one life of everything: held equal by test_alicloud_table.py."""

from __future__ import annotations

_BY_PRODUCT = {
    "Ecs": """
        AllocatePublicIpAddress AttachKeyPair AuthorizeSecurityGroup AuthorizeSecurityGroupEgress
        CreateSecurityGroup DeleteInstance DeleteKeyPairs DeleteSecurityGroup DescribeDisks
        DescribeInstanceAttachmentAttributes DescribeInstanceAttribute DescribeInstanceMaintenanceAttributes
        DescribeInstanceRamRole DescribeInstances DescribeKeyPairs DescribeNetworkInterfaces
        DescribeSecurityGroupAttribute DescribeSecurityGroups DescribeUserData DetachKeyPair ImportKeyPair
        JoinSecurityGroup ModifyDiskSpec ModifyInstanceAttribute ModifyInstanceAutoReleaseTime
        ModifyInstanceNetworkSpec ModifyInstanceSpec ModifyInstanceVpcAttribute ModifySecurityGroupAttribute
        ModifySecurityGroupPolicy ModifySecurityGroupRule RebootInstance ReplaceSystemDisk ResizeDisk
        RevokeSecurityGroup RevokeSecurityGroupEgress RunInstances StartInstance StopInstance TagResources
        UntagResources
    """,
    "NAS": """
        CreateAccessGroup CreateAccessRule CreateFileSystem CreateMountTarget DeleteAccessGroup DeleteAccessRule
        DeleteFileSystem DeleteMountTarget DescribeAccessGroups DescribeAccessRules DescribeFileSystems
        DescribeMountTargets DescribeNfsAcl DescribeSmbAcl GetRecycleBinAttribute ListTagResources ModifyAccessGroup
        ModifyAccessRule ModifyFileSystem ModifyMountTarget TagResources UntagResources UpgradeFileSystem
    """,
    "Vpc": """
        AllocateEipAddress AssociateEipAddress CreateVSwitch CreateVpc DeleteVSwitch DeleteVpc DescribeEipAddresses
        DescribeRouteTableList DescribeVSwitchAttributes DescribeVpcAttribute ModifyEipAddressAttribute
        ModifyVSwitchAttribute ModifyVpcAttribute ReleaseEipAddress TagResources UnTagResources
        UnassociateEipAddress
    """,
}
CALLED = frozenset((product, action) for product, actions in _BY_PRODUCT.items() for action in actions.split())
"""Product and action."""
