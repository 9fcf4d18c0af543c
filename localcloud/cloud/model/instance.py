"""Machines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from localcloud.cloud.model.document import Changing, inner
from localcloud.cloud.wire import Json

ECONOMICAL = "StopCharging"
"""How a stopped machine stands that holds neither its place nor its public address."""
MAINTENANCE = ("AutoRecover", "Stop", "AutoRedeploy")


@dataclass(kw_only=True, eq=False)
class BoundEip:
    """The elastic address that leads to a machine; empty without one. `bandwidth` is in Mbit/s."""

    allocation_id: str = ""
    ip_address: str = ""
    internet_charge_type: str = ""
    bandwidth: int = 0


@dataclass(kw_only=True, eq=False)
class Instance(Changing):
    """A machine.

    Attributes:
        cpu: vCPUs.
        memory: MiB.
        gpu_amount: GPUs; `gpu_spec` is their model.
        start_time, auto_release_time: UTC to the minute, empty for never.
        spot_price_limit: per hour; 0 without one.
        internet_max_bandwidth_out: Mbit/s, as `..._in`; 0 is no public address of its own.
        stopped_mode: KeepCharging or ECONOMICAL when it is stopped, else Not-applicable.
        next_stopped_mode: how it will stand once it has stopped.
        vpc_id, vswitch_id, address: its place in the network, and its private IPv4 address.
        security_groups: ids.
        public_address: of its own, not an EIP's; empty without one. `old_public_address` is the one it gave back last.
        eip: the elastic one.
        network_interface: id of its primary one.
        user_data: for the first boot, in Base64.
        reclaim_at: when a spot machine is taken, seconds since 1970.
        locks: reasons why it is locked, such as Recycling.
        fresh: its disk was replaced: the next start makes another machine.
        releasing: it is being released.
        http_endpoint, http_tokens, http_put_response_hop_limit: how it may ask about itself.
        maintenance_windows: StartTime and EndTime of each, when the cloud may care for its host.
        maintenance_action: what it may do then, one of MAINTENANCE; `maintenance_notice`: whether it says so first.
    """

    KIND = "instance"
    ID = "instance_id"
    TAG_NAMES = ("TagKey", "TagValue")

    instance_id: str
    instance_name: str
    host_name: str
    description: str
    region_id: str
    zone_id: str
    instance_type: str
    instance_type_family: str
    cpu: int
    memory: int
    gpu_amount: int
    gpu_spec: str
    image_id: str
    os_name: str
    creation_time: str
    auto_release_time: str
    instance_charge_type: str
    spot_strategy: str
    spot_price_limit: float
    spot_duration: int
    spot_interruption_behavior: str
    internet_charge_type: str
    internet_max_bandwidth_out: int
    key_pair_name: str
    deletion_protection: bool
    resource_group_id: str
    start_time: str = ""
    internet_max_bandwidth_in: int = 200
    stopped_mode: str = "Not-applicable"
    vpc_id: str = inner()
    vswitch_id: str = inner()
    address: str = inner()
    login_as_non_root: bool = inner(default=False)
    security_groups: list[str] = inner(default_factory=list)
    public_address: str = inner(default="")
    old_public_address: str = inner(default="")
    eip: BoundEip = inner(default_factory=BoundEip)
    network_interface: str = inner(default="")
    user_data: str = inner(default="")
    next_stopped_mode: str = inner(default="")
    reclaim_at: float | None = inner(default=None)
    locks: list[str] = inner(default_factory=list)
    fresh: bool = inner(default=False)
    releasing: bool = inner(default=False)
    http_endpoint: str = inner(default="enabled")
    http_tokens: str = inner(default="optional")
    http_put_response_hop_limit: int = inner(default=0)
    maintenance_windows: list[dict[str, str]] = inner(default_factory=list)
    maintenance_action: str = inner(default=MAINTENANCE[0])
    maintenance_notice: bool = inner(default=False)

    @property
    def outside_address(self) -> str | None:
        """The address at which it is known outside."""
        return self.eip.ip_address or self.public_address or None

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> Self:
        """See Document."""
        return cls(**{**stored, "eip": BoundEip(**stored["eip"])})

    def wire(self) -> Json:
        """See Resource."""
        return {
            **super().wire(),
            "ClusterId": "",
            "VlanId": "",
            "OSNameEn": self.os_name,
            "OSType": "linux",
            "ExpiredTime": "2099-12-31T15:59Z",
            "SaleCycle": "",
            "InstanceNetworkType": "vpc",
            "IoOptimized": True,
            "DeviceAvailable": True,
            "Recyclable": False,
            "SerialNumber": self.instance_id,
            "CreditSpecification": "",
            "DeploymentSetId": "",
            "HpcClusterId": "",
            "LocalStorageAmount": 0,
            "LocalStorageCapacity": 0,
            "ISP": "",
            "SecurityGroupIds": {"SecurityGroupId": self.security_groups},
            "InnerIpAddress": {"IpAddress": []},
            "RdmaIpAddress": {"IpAddress": []},
            "OperationLocks": {"LockReason": [{"LockReason": reason, "LockMsg": ""} for reason in self.locks]},
            "VpcAttributes": {
                "VpcId": self.vpc_id,
                "VSwitchId": self.vswitch_id,
                "NatIpAddress": "",
                "PrivateIpAddress": {"IpAddress": [self.address]},
            },
            "PublicIpAddress": {"IpAddress": [self.public_address] if self.public_address else []},
            "EipAddress": {
                "AllocationId": self.eip.allocation_id,
                "IpAddress": self.eip.ip_address,
                "InternetChargeType": self.eip.internet_charge_type,
                "Bandwidth": self.eip.bandwidth,
                "IsSupportUnassociate": True,
            },
            "MetadataOptions": {
                "HttpEndpoint": self.http_endpoint,
                "HttpTokens": self.http_tokens,
                "HttpPutResponseHopLimit": self.http_put_response_hop_limit,
                "InstanceMetadataTags": "",
            },
            "DedicatedHostAttribute": {"DedicatedHostId": "", "DedicatedHostName": "", "DedicatedHostClusterId": ""},
            "DedicatedInstanceAttribute": {"Affinity": "", "Tenancy": ""},
            "EcsCapacityReservationAttr": {"CapacityReservationId": "", "CapacityReservationPreference": ""},
            "HibernationOptions": {"Configured": False},
            "AdditionalInfo": {"EnableHighDensityMode": False},
            "ImageOptions": {"LoginAsNonRoot": self.login_as_non_root},
            "CpuOptions": {
                "CoreCount": max(1, self.cpu // 2),
                "ThreadsPerCore": 2,
                "Numa": "ON",
                "TopologyType": "",
            },
            "Tags": self.wire_tags(),
        }
