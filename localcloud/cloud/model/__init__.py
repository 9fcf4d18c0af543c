"""What a cloud remembers: one dataclass a kind of thing. Importing this package makes all kinds known to the store."""

from localcloud.cloud.model.disk import Disk
from localcloud.cloud.model.eip import Eip
from localcloud.cloud.model.fault import CallFault
from localcloud.cloud.model.instance import Instance
from localcloud.cloud.model.key_pair import KeyPair
from localcloud.cloud.model.market import NasStock, Problem, Quota, Standing, Stock, Token
from localcloud.cloud.model.nas import AccessGroup, AccessRule, FileSystem, MountTarget
from localcloud.cloud.model.network import RouteTable, Vpc, VSwitch
from localcloud.cloud.model.network_interface import NetworkInterface
from localcloud.cloud.model.security_group import SecurityGroup, SecurityRule

__all__ = [
    "AccessGroup",
    "AccessRule",
    "CallFault",
    "Disk",
    "Eip",
    "FileSystem",
    "Instance",
    "KeyPair",
    "MountTarget",
    "NasStock",
    "NetworkInterface",
    "Problem",
    "Quota",
    "RouteTable",
    "SecurityGroup",
    "SecurityRule",
    "Standing",
    "Stock",
    "Token",
    "VSwitch",
    "Vpc",
]
