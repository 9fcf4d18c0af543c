"""Regions, zones, instance types and what is on sale where."""

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import DISK_CATEGORIES, NAS_STORAGE, TYPES, ZONES, InstanceType, sold_in, stock
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import NasStock
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError


@action("Ecs", "DescribeRegions")
def describe_regions(cloud: Cloud, params: Params) -> Json:
    """The one region there is."""
    region = cloud.settings.region
    endpoint = f"ecs.{region}.aliyuncs.com"
    return {
        "Regions": {
            "Region": [{"RegionId": region, "LocalName": region, "RegionEndpoint": endpoint, "Status": "available"}]
        }
    }


@action("Vpc", "DescribeRegions")
def describe_vpc_regions(cloud: Cloud, params: Params) -> Json:
    """The one region there is."""
    region = cloud.settings.region
    return {
        "Regions": {
            "Region": [{"RegionId": region, "LocalName": region, "RegionEndpoint": f"vpc.{region}.aliyuncs.com"}]
        }
    }


@action("Ecs", "DescribeZones")
def describe_zones(cloud: Cloud, params: Params) -> Json:
    """Zones with what each can hold."""
    region = cloud.settings.region
    return {"Zones": {"Zone": [_zone(region, zone) for zone in ZONES.get(region, [])]}}


@action("Vpc", "DescribeZones")
def describe_vpc_zones(cloud: Cloud, params: Params) -> Json:
    """Zones that can hold a vSwitch: all."""
    return {"Zones": {"Zone": [{"ZoneId": zone, "LocalName": zone} for zone in ZONES.get(cloud.settings.region, [])]}}


@action("NAS", "DescribeZones")
def describe_nas_zones(cloud: Cloud, params: Params) -> Json:
    """Zones with the storage classes they offer."""
    wanted = params.text("FileSystemType", "standard")
    kinds = list(NAS_STORAGE) if wanted == "all" else [wanted]
    zones = []
    for zone in ZONES.get(cloud.settings.region, []):
        offers = [
            {"StorageType": storage, "ProtocolType": "nfs"}
            for kind in kinds
            for storage in NAS_STORAGE.get(kind, [])
            if not cloud.store.get(NasStock, f"{zone}/{storage}")
        ]
        protocols = {storage: {"Protocol": ["NFS"]} for storage in ("Performance", "Capacity")}
        zones.append({"ZoneId": zone, "InstanceTypes": {"InstanceType": offers}, **protocols})
    return {"Zones": {"Zone": zones}}


@action("NAS", "DescribeRegions")
def describe_nas_regions(cloud: Cloud, params: Params) -> Json:
    """The one region there is."""
    region = cloud.settings.region
    entry = {"RegionId": region, "LocalName": region, "RegionEndpoint": f"nas.{region}.aliyuncs.com"}
    return {"TotalCount": 1, "PageNumber": 1, "PageSize": 10, "Regions": {"Region": [entry]}}


@action("Ecs", "DescribeInstanceTypes")
def describe_instance_types(cloud: Cloud, params: Params) -> Json:
    """Types by id, family and GPU."""
    wanted = params.items("InstanceTypes", "InstanceType")
    family, gpu = params.text("InstanceTypeFamily"), params.text("GPUSpec")
    found = [
        _type(kind)
        for kind in TYPES.values()
        if (not wanted or kind.id in wanted) and family in ("", kind.family) and gpu in ("", kind.gpu)
    ]
    return {"NextToken": "", "InstanceTypes": {"InstanceType": found}}


@action("Ecs", "DescribeInstanceTypeFamilies")
def describe_instance_type_families(cloud: Cloud, params: Params) -> Json:
    """Families of types."""
    families = [
        {"InstanceTypeFamilyId": family, "Generation": "ecs-6"}
        for family in dict.fromkeys(kind.family for kind in TYPES.values())
    ]
    return {"InstanceTypeFamilies": {"InstanceTypeFamily": families}}


@action("Ecs", "DescribeAvailableResource")
def describe_available_resource(cloud: Cloud, params: Params) -> Json:
    """What each zone sells now: `DestinationResource` InstanceType, SystemDisk or DataDisk, Zone."""
    destination = params.need("DestinationResource")
    zones = [zone for zone in ZONES.get(cloud.settings.region, []) if params.text("ZoneId", zone) == zone]
    if "ZoneId" in params and not zones:
        raise ApiError(404, "InvalidZoneId.NotFound", f"The specified zone {params.text('ZoneId')} does not exist.")
    found = []
    for zone in zones:
        offers = _offers(cloud, params, zone, destination)
        sold_out = bool(offers) and all(offer["Status"] == "SoldOut" for offer in offers)
        entry: Json = {
            "ZoneId": zone,
            "RegionId": cloud.settings.region,
            "Status": "SoldOut" if sold_out else "Available",
            "StatusCategory": "WithoutStock" if sold_out else "WithStock",
        }
        kind = "Zone" if destination == "Zone" else destination
        entry["AvailableResources"] = {
            "AvailableResource": [{"Type": kind, "SupportedResources": {"SupportedResource": offers}}] if offers else []
        }
        if offers or destination == "Zone":
            found.append(entry)
    return {"AvailableZones": {"AvailableZone": found}} if found else {}


def _offers(cloud: Cloud, params: Params, zone: str, destination: str) -> list[Json]:
    if destination in ("SystemDisk", "DataDisk"):
        return [
            {
                "Value": category,
                "Status": "Available",
                "StatusCategory": "WithStock",
                "Min": 20,
                "Max": 2048,
                "Unit": "GiB",
            }
            for category in DISK_CATEGORIES
        ]
    wanted, cpus = params.text("InstanceType"), params.number("Cores", 0)
    memory = float(params.text("Memory", "0"))
    offers = []
    for kind in TYPES.values():
        fits = wanted in ("", kind.id) and cpus in (0, kind.cpus) and memory in (0, kind.memory)
        if fits and zone in sold_in(cloud.settings.region, kind):
            gone = stock(cloud.store, zone, kind.id) == 0
            offers.append(
                {
                    "Value": kind.id,
                    "Status": "SoldOut" if gone else "Available",
                    "StatusCategory": "WithoutStock" if gone else "WithStock",
                }
            )
    return offers


def _zone(region: str, zone: str) -> Json:
    types = [kind for kind in TYPES.values() if zone in sold_in(region, kind)]
    names = [kind.id for kind in types]
    families = list(dict.fromkeys(kind.family for kind in types))
    info = {
        "IoOptimized": True,
        "SystemDiskCategories": {"supportedSystemDiskCategory": DISK_CATEGORIES},
        "DataDiskCategories": {"supportedDataDiskCategory": DISK_CATEGORIES},
        "InstanceTypes": {"supportedInstanceType": names},
        "InstanceTypeFamilies": {"supportedInstanceTypeFamily": families},
        "InstanceGenerations": {"supportedInstanceGeneration": ["ecs-6"]},
        "NetworkTypes": {"supportedNetworkCategory": ["vpc"]},
    }
    return {
        "ZoneId": zone,
        "LocalName": zone,
        "ZoneType": "AvailabilityZone",
        "AvailableResourceCreation": {"ResourceTypes": ["VSwitch", "IoOptimized", "Instance", "DedicatedHost", "Disk"]},
        "AvailableDiskCategories": {"DiskCategories": DISK_CATEGORIES},
        "AvailableInstanceTypes": {"InstanceTypes": names},
        "AvailableVolumeCategories": {"VolumeCategories": []},
        "AvailableDedicatedHostTypes": {"DedicatedHostType": []},
        "DedicatedHostGenerations": {"DedicatedHostGeneration": []},
        "AvailableResources": {"ResourcesInfo": [info]},
    }


def _type(kind: InstanceType) -> Json:
    return {
        "InstanceTypeId": kind.id,
        "InstanceTypeFamily": kind.family,
        "CpuCoreCount": kind.cpus,
        "MemorySize": float(kind.memory),
        "GPUAmount": kind.gpus,
        "GPUSpec": kind.gpu,
        "GPUMemorySize": float(kind.gpu_memory),
        "CpuArchitecture": "X86",
        "EniQuantity": 8,
        "EniTotalQuantity": 8,
        "EniPrivateIpAddressQuantity": 20,
        "EniIpv6AddressQuantity": 20,
        "EniTrunkSupported": True,
        "DiskQuantity": 17,
        "InstanceBandwidthRx": kind.mbits * 1000,
        "InstanceBandwidthTx": kind.mbits * 1000,
        "InstancePpsRx": 1000000,
        "InstancePpsTx": 1000000,
        "LocalStorageCategory": "",
        "NetworkCardQuantity": 1,
        "EriQuantity": 0,
        "NvmeSupport": "supported",
        "InstanceFamilyLevel": "EnterpriseLevel",
        "JumboFrameSupport": True,
        "InstanceCategory": "GPU" if kind.gpus else "General-purpose",
    }
