"""Elastic public addresses."""

from dataclasses import dataclass

from localcloud.cloud.model.document import Changing, inner
from localcloud.cloud.wire import Json


@dataclass(kw_only=True, eq=False)
class Eip(Changing):
    """A public address that is rented by itself.

    Attributes:
        mbits: bandwidth to the outside, Mbit/s.
        internet_charge_type: PayByTraffic or PayByBandwidth.
        mode: NAT and others; an address is translated whatever it says.
        instance_id: the machine that it leads to; empty when it leads nowhere. `instance_type` is then EcsInstance.
    """

    KIND = "eip"
    ID = "allocation_id"

    allocation_id: str
    ip_address: str
    internet_charge_type: str
    charge_type: str
    isp: str
    name: str
    description: str
    netmode: str
    allocation_time: str
    region_id: str
    resource_group_id: str
    zone: str
    mbits: int = inner()
    mode: str = "NAT"
    deletion_protection: bool = False
    instance_id: str = ""
    instance_type: str = ""
    instance_region_id: str = ""

    def lead_to(self, instance: str, region: str = "") -> None:
        """Notes the machine that it leads to, or with an empty id that it leads nowhere."""
        self.instance_id, self.instance_region_id = instance, region
        self.instance_type = "EcsInstance" if instance else ""

    def wire(self) -> Json:
        """See Resource.

        VpcId and PrivateIpAddress are answered for addresses of an IPv4 gateway or of a second interface only: the
        provider's tests of an association with an instance would replace it for ever otherwise.
        """
        return {
            **super().wire(),
            "Bandwidth": str(self.mbits),
            "EipBandwidth": str(self.mbits),
            "ExpiredTime": "",
            "BusinessStatus": "Normal",
            "HDMonitorStatus": "OFF",
            "VpcId": "",
            "PrivateIpAddress": "",
            "SegmentInstanceId": "",
            "SecondLimited": False,
            "OperationLocks": {"LockReason": []},
            "ServiceManaged": 0,
            "SecurityProtectionTypes": {"SecurityProtectionType": []},
            "Tags": self.wire_tags(),
        }
