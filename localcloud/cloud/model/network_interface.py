"""Network interfaces."""

from dataclasses import dataclass

from localcloud.cloud.model.document import Changing, inner
from localcloud.cloud.wire import Json


@dataclass(kw_only=True, eq=False)
class NetworkInterface(Changing):
    """The primary interface that a machine is born with; it outlives its machine by a while.

    Attributes:
        private_ip_address: its address in the vSwitch.
        groups: ids of the security groups that its machine was in when it went.
    """

    KIND = "network_interface"
    ID = "network_interface_id"
    TAG_NAMES = ("TagKey", "TagValue")

    network_interface_id: str
    instance_id: str
    private_ip_address: str
    creation_time: str
    mac_address: str
    vpc_id: str
    vswitch_id: str
    zone_id: str
    resource_group_id: str
    owner_id: str
    network_interface_name: str = ""
    description: str = ""
    groups: list[str] = inner(default_factory=list)

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "Type": "Primary",
            "QueueNumber": 1,
            "QueuePairNumber": 0,
            "NetworkInterfaceTrafficMode": "Standard",
            "SourceDestCheck": False,
            "ServiceManaged": False,
            "DeleteOnRelease": True,
            "Ipv6Sets": {"Ipv6Set": []},
            "Ipv4PrefixSets": {"Ipv4PrefixSet": []},
            "Ipv6PrefixSets": {"Ipv6PrefixSet": []},
            "Attachment": {"InstanceId": self.instance_id, "DeviceIndex": 0, "NetworkCardIndex": 0},
            "Tags": self.wire_tags(),
        }
