"""Settings of Alibaba Cloud: where, how many, reachable from where, for how long."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from stacks.settings.base import SettingsModel, check_cidrs

Zone = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}-[a-z0-9-]+(-[a-z]|[0-9][a-z])$")]
"""Such as cn-hangzhou-h or, outside China, ap-southeast-1a."""
InstanceType = Annotated[str, StringConstraints(pattern=r"^ecs\.[a-z0-9.-]+$")]

DOCKER_RANGE = ipaddress.IPv4Network("172.17.0.0/16")
"""What Docker's own bridge takes on every machine unless it is set otherwise."""
PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""Ranges that Alibaba Cloud takes for a VPC (CreateVpc, CidrBlock)."""
VSWITCH_PREFIX = 24
WIDEST_VPC_PREFIX = 19
"""A /19 holds 32 vSwitches of /24, more than there are letters that end a zone's name."""
EXAMPLES = tuple(map(ipaddress.IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
"""Ranges kept for documentation (RFC 5737): nobody's address, so nobody could log in."""


class Candidate(SettingsModel):
    """One place where all machines might be rented together."""

    zone: Zone = Field(description="availability zone, such as cn-hangzhou-h")
    instance_type: InstanceType = Field(description="instance type, such as ecs.gn8is-2x.8xlarge")


class NasSettings(SettingsModel):
    """The file system for the weights."""

    type: Literal["standard", "extreme"] = Field("standard", description="standard (general-purpose) or extreme")
    storage_class: Literal["Performance", "Capacity", "Premium", "advance", "standard"] = Field(
        "Performance", description="standard: Performance, Capacity or Premium; extreme: advance or standard"
    )
    capacity_gib: int | None = Field(None, ge=100, le=262144, description="type extreme: its size")
    zone: Zone | None = Field(None, description="its zone, and the fetcher's; the first candidate's when left out")

    @model_validator(mode="after")
    def _class_of_its_type(self) -> Self:
        extreme = self.type == "extreme"
        classes = ("advance", "standard") if extreme else ("Performance", "Capacity", "Premium")
        if self.storage_class not in classes:
            raise ValueError(
                f"storageClass {self.storage_class} is none of type {self.type}; choose {' or '.join(classes)}"
            )
        if extreme != (self.capacity_gib is not None):
            raise ValueError(
                "capacityGib is missing: type extreme has a fixed size; set it to twice the model's size or more"
                if extreme
                else "capacityGib: type standard grows by itself; take it out"
            )
        return self


class FetcherSettings(SettingsModel):
    """The small machine that downloads the weights, so that no GPU waits for a download."""

    instance_type: InstanceType = Field("ecs.u1-c1m2.large", description="its instance type, without GPU")
    system_disk_gib: int = Field(40, ge=20, le=2048, description="its disk; weights go to the NAS, not here")
    bandwidth_mbps: int = Field(100, ge=1, le=200, description="its way to the model hub, paid by traffic")
    afterwards: Literal["stop", "run"] = Field(
        "stop", description="when the weights are verified: stop (only the disk is paid) or run"
    )


class CloudSettings(SettingsModel):
    """What is rented."""

    region: str = Field(pattern=r"^[a-z]{2}-[a-z0-9-]+$", description="region, such as cn-hangzhou")
    endpoint: str | None = Field(
        None,
        pattern=r"^[^/:]+:[0-9]+$",
        description="host:port of another API than Alibaba Cloud's own, such as the local cloud's",
    )
    owner: str = Field("tandem", pattern=r"^[^:/]{1,64}$", description="who answers for it; a tag on everything")
    machines: int = Field(ge=1, le=64, description="how many machines serve the model")
    candidates: tuple[Candidate, ...] = Field(
        min_length=1, description="zone and instanceType, best first; the first that holds all machines is taken"
    )
    admin_cidrs: tuple[str, ...] = Field(
        min_length=1, description="who may reach SSH: this computer's public address with /32, or your office's range"
    )
    image: str = Field(
        "^ubuntu_22_04_x64_20G_alibase", description="regular expression of the system image; the newest match is taken"
    )
    system_disk_gib: int = Field(100, ge=20, le=2048, description="disk of each machine: images of engines are large")
    bandwidth_mbps: int = Field(100, ge=1, le=100, description="each machine's public bandwidth, paid by traffic")
    spot_price_limit: float | None = Field(
        None, gt=0, description="rent spot machines for at most so much an hour each; pay as you go when left out"
    )
    cost_limit: float | None = Field(
        None, gt=0, description="CNY after which `up`, `make cost` and the report warn of what was spent"
    )
    auto_release_hours: int | None = Field(
        None,
        ge=2,
        le=24 * 365,
        description="dead man's switch: machines release themselves so many hours after `pulumi up` last prolonged it",
    )
    create_machines: Literal["weights-verified", "early-start"] = Field(
        "weights-verified",
        description="when the machines are rented: when the weights are verified, or prepareMinutes before",
    )
    prepare_minutes: float = Field(
        10, ge=0, le=120, description="how long machines take from renting to being ready to load"
    )
    vpc_cidr: str = Field("172.20.0.0/16", description="the VPC's range; each zone's vSwitch is a /24 of it")
    vpc_id: str | None = Field(None, pattern="^vpc-", description="use this VPC; vpcCidr is then a free part of it")
    vswitches: dict[Zone, str] = Field({}, description="use these vSwitches: id by zone")
    file_system_id: str | None = Field(None, description="use this NAS file system; it is never deleted")
    nas: NasSettings = NasSettings()  # type: ignore[call-arg]  # every field has a default
    fetcher: FetcherSettings = FetcherSettings()  # type: ignore[call-arg]  # every field has a default

    @property
    def nas_zone(self) -> str:
        """Where file system and fetcher stand."""
        return self.nas.zone or self.candidates[0].zone

    @property
    def for_documentation(self) -> tuple[str, ...]:
        """Those of the administrators' ranges that are nobody's."""
        return tuple(c for c in self.admin_cidrs if any(ipaddress.IPv4Network(c).subnet_of(e) for e in EXAMPLES))

    def vswitch_cidr(self, zone: str) -> str:
        """The zone's part of the VPC: the same letter, the same part, whatever other zones are in use."""
        number = ord(zone[-1]) - ord("a")
        first = int(ipaddress.IPv4Network(self.vpc_cidr).network_address)
        return str(ipaddress.IPv4Network((first + (number << (32 - VSWITCH_PREFIX)), VSWITCH_PREFIX)))

    @field_validator("admin_cidrs")
    @classmethod
    def _some_administrators(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for cidr in check_cidrs(value):
            if ipaddress.IPv4Network(cidr).prefixlen < 8:
                raise ValueError(
                    f"{cidr} opens SSH to everybody; name the addresses you come from, such as 198.51.100.7/32"
                )
        return value

    @field_validator("vpc_cidr")
    @classmethod
    def _private_and_wide(cls, value: str) -> str:
        network = ipaddress.IPv4Network(check_cidrs([value])[0])
        if not any(network.subnet_of(private) for private in PRIVATE):
            raise ValueError(f"{value} is no private range; take one in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
        if network.prefixlen > WIDEST_VPC_PREFIX:
            wider = network.supernet(new_prefix=16)
            raise ValueError(f"{value} is too small for a /24 a zone; take a /{WIDEST_VPC_PREFIX} or wider: {wider}")
        if network.overlaps(DOCKER_RANGE):
            raise ValueError(
                f"{value} overlaps {DOCKER_RANGE}, which Docker takes on every machine; take 172.20.0.0/16"
            )
        return value

    @model_validator(mode="after")
    def _zones_of_the_region(self) -> Self:
        for zone in {c.zone for c in self.candidates} | {self.nas_zone} | set(self.vswitches):
            if zone in (f"{self.region}-{zone[-1]}", f"{self.region}{zone[-1]}"):
                continue
            first = f"{self.region}a" if self.region[-1].isdigit() else f"{self.region}-a"
            raise ValueError(f"zone {zone} is not in region {self.region}; its zones are named {first} and so on")
        return self

    @model_validator(mode="after")
    def _vswitches_in_a_known_vpc(self) -> Self:
        if self.vswitches and not self.vpc_id:
            raise ValueError("vswitches are given without vpcId; name the VPC they belong to")
        return self
