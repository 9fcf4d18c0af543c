"""RunInstances: the whole gang of one call, or none of it."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import IMAGES, SPOT_SHARE, TYPES, InstanceType, move_stock, sold_in, stock
from localcloud.cloud.checks import description, dry_run, ecs_name, host_name, new_tags, one_of, password, unsupported
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.machines import boot
from localcloud.cloud.model import Instance, KeyPair, Quota, VSwitch
from localcloud.cloud.params import Params
from localcloud.cloud.public_addresses import free_public_address
from localcloud.cloud.resources.disk import check_disks, create_disks
from localcloud.cloud.resources.network_interface import create_primary
from localcloud.cloud.resources.security_group import joinable
from localcloud.cloud.resources.vswitch import free_address
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid, missing, not_found

QUOTA_CPUS = 10_000  # this account's; lowered by the admin call `quota`
MOST_AT_ONCE = 100  # Alibaba's documentation of RunInstances
NOT_HERE = (
    "RamRoleName",
    "HpcClusterId",
    "DeploymentSetId",
    "DedicatedHostId",
    "LaunchTemplateId",
    "LaunchTemplateName",
    "SecurityEnhancementStrategy",
    "Ipv6AddressCount",
    "Ipv6Address",
    "AutoRenew",
    "StorageSetId",
    "Isp",
    "PrivatePoolOptions.Id",
    "SystemDisk.AutoSnapshotPolicyId",
    "SystemDisk.StorageClusterId",
    "SystemDisk.BurstingEnabled",
    "SystemDisk.ProvisionedIops",
    "SystemDisk.KMSKeyId",
    "HibernationOptions.Configured",
    "CpuOptions.Core",
    "NetworkInterfaceQueueNumber",
    "SchedulerOptions",
    "CreditSpecification",
)
"""Parameters of RunInstances that would be without effect."""
USER_DATA_BYTES = 32 * 1024  # the same: before Base64
RELEASE_SOONEST_SECONDS = 30 * 60  # the same: AutoReleaseTime is at least half an hour away
RELEASE_LATEST_SECONDS = 3 * 365 * 86400


@dataclass(frozen=True)
class _Call:
    """A checked call; `card` is where it speaks of the network: the call itself, or its NetworkInterface.1."""

    params: Params
    card: Params
    kind: InstanceType
    image: str
    vswitch: VSwitch
    groups: list[str]


@action("Ecs", "RunInstances")
def run_instances(cloud: Cloud, params: Params) -> Json:
    """Makes and starts machines."""
    kind = _type(params)
    image = params.text("ImageId")
    if not image and params.text("ImageFamily"):
        image = next((known.id for known in IMAGES.values() if known.family == params.text("ImageFamily")), "")
    if not image:
        raise missing("ImageId")
    if image not in IMAGES:
        raise not_found("InvalidImageId.NotFound", f"image {image}")
    card = next(iter(params.structs("NetworkInterface")), params)
    vswitch = cloud.need(VSwitch, card.need("VSwitchId"), "InvalidVSwitchId.NotFound", "vSwitch")
    zone = params.text("ZoneId", vswitch.zone_id)
    if zone != vswitch.zone_id:
        raise ApiError(400, "InvalidParameter.Mismatch", f"vSwitch {vswitch.vswitch_id} is not in zone {zone}.")
    groups = _groups(cloud, card, vswitch.vpc_id)
    amount = params.number("Amount", 1, 1, MOST_AT_ONCE)
    _check_params(cloud, params)
    amount = _check_stock(cloud, params, kind, zone, amount)
    check_disks(params, kind.family)
    dry_run(params)
    keys = [_create(cloud, _Call(params, card, kind, image, vswitch, groups), number) for number in range(amount)]
    for key in keys:
        boot(cloud, key)
    move_stock(cloud.store, zone, kind.id, -amount)
    cloud.changed_vpcs.add(vswitch.vpc_id)
    return {
        "InstanceIdSets": {"InstanceIdSet": keys},
        "OrderId": "",
        "TradePrice": round(kind.price * amount, 4),
    }


def check_release_time(text: str) -> str:
    """An AutoReleaseTime as the cloud keeps it, without seconds; raises ApiError when it is malformed or too near."""
    if not text:
        return ""
    try:
        when = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ" if text.count(":") == 2 else "%Y-%m-%dT%H:%MZ")
    except ValueError:
        raise ApiError(
            400, "InvalidAutoReleaseTime.Malformed", f"It is written 2026-01-31T12:00:00Z: {text}."
        ) from None
    ahead = (when.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    if not RELEASE_SOONEST_SECONDS - 60 <= ahead <= RELEASE_LATEST_SECONDS:
        raise ApiError(
            400,
            "InvalidParameter.AutoReleaseTime",
            f"The automatic release time must be 30 minutes to 3 years ahead: {text}.",
        )
    return when.strftime("%Y-%m-%dT%H:%MZ")


def _type(params: Params) -> InstanceType:
    name = params.need("InstanceType")
    if name not in TYPES:
        raise ApiError(400, "InvalidInstanceType.ValueNotSupported", f"The instance type {name} does not exist.")
    return TYPES[name]


def _groups(cloud: Cloud, card: Params, vpc: str) -> list[str]:
    groups = card.items("SecurityGroupIds", "SecurityGroupId")
    if not groups:
        raise missing("SecurityGroupId")
    joinable(cloud, groups, vpc)
    return groups


def _check_params(cloud: Cloud, params: Params) -> None:
    pair = params.text("KeyPairName")
    if pair and not cloud.store.get(KeyPair, pair):
        raise not_found("InvalidKeyPairName.NotFound", f"key pair {pair}")
    if one_of(params, "InstanceChargeType", "PostPaid", "PrePaid") == "PrePaid":
        raise ApiError(
            400, "UnsupportedParameter.LocalCloud", "The local cloud does not implement PrePaid: use PostPaid."
        )
    spot = one_of(params, "SpotStrategy", "NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo") != "NoSpot"
    unsupported(params, *NOT_HERE)
    if "SpotDuration" in params and (not spot or params.number("SpotDuration", 1, 0, 6) > 1):
        raise ApiError(400, "InvalidSpotDuration", "SpotDuration is 0 or 1, and for spot instances.")
    one_of(params, "InternetChargeType", "PayByTraffic", "PayByBandwidth")
    if params.text("SpotInterruptionBehavior", "Terminate") != "Terminate":
        unsupported(params, "SpotInterruptionBehavior")
    ecs_name(params, "InstanceName")
    host_name(params)
    description(params)
    password(params)
    new_tags(params)
    if params.number("MinAmount", 1, 1, MOST_AT_ONCE) > params.number("Amount", 1):
        raise invalid("MinAmount", "it is above Amount")
    check_release_time(params.text("AutoReleaseTime"))
    _user_data(params)


def _user_data(params: Params) -> str:
    try:
        data = base64.b64decode(params.text("UserData"), validate=True)
        if len(data) > USER_DATA_BYTES:
            raise ApiError(400, "InvalidUserData.SizeExceeded", "The size of the user data exceeds the maximum, 32 KB.")
        return data.decode()
    except ValueError:  # no Base64, no ASCII, no UTF-8
        raise ApiError(400, "InvalidUserData.Base64FormatInvalid", "The user data is not Base64 of a text.") from None


def _check_stock(cloud: Cloud, params: Params, kind: InstanceType, zone: str, amount: int) -> int:
    """How many machines there will be: all, or what is there when the caller takes fewer; raises ApiError."""
    if zone not in sold_in(cloud.settings.region, kind):
        raise ApiError(403, "Zone.NotOnSale", f"The instance type {kind.id} is not sold in zone {zone}.")
    ordered = cloud.store.get(Quota, Quota.CPUS)
    quota = ordered.cpus if ordered else QUOTA_CPUS
    used = sum(instance.cpu for instance in cloud.store.all(Instance))
    if used + kind.cpus * amount > quota:
        raise ApiError(
            403,
            "QuotaExceed.ElasticQuota",
            f"{used} of {quota} vCPUs are in use, and {amount} x {kind.cpus} are asked for.",
        )
    if params.text("SpotStrategy") == "SpotWithPriceLimit":
        market = kind.price * SPOT_SHARE
        limit = _price_limit(params)
        if limit < market:
            raise ApiError(
                403,
                "InvalidSpotPriceLimit.LowerThanPublicPrice",
                f"The price limit {limit:g} is below the market price {market:.3f}.",
            )
    left = stock(cloud.store, zone, kind.id)
    if left is not None and left < amount:
        if not left or left < params.number("MinAmount", amount):
            raise ApiError(
                403,
                "OperationDenied.NoStock",
                f"The requested resource is sold out in the specified zone: {kind.id} in {zone}.",
            )
        return left
    return amount


def _price_limit(params: Params) -> float:
    try:
        return float(params.text("SpotPriceLimit", "0"))
    except ValueError:
        raise invalid("SpotPriceLimit", "it is no price") from None


def _create(cloud: Cloud, call: _Call, number: int) -> str:
    params, card, kind, vswitch = call.params, call.card, call.kind, call.vswitch
    key = cloud.new_id("i")
    address = free_address(cloud, vswitch, card.text("PrivateIpAddress") or card.text("PrimaryIpAddress"))
    name = _numbered(params.text("InstanceName", key), params, number)
    host = _numbered(params.text("HostName"), params, number) or f"iZ{key.removeprefix('i-')}Z"
    bandwidth = params.number("InternetMaxBandwidthOut", 0, 0, 100)
    spot = params.text("SpotStrategy", "NoSpot")
    instance = Instance(
        instance_id=key,
        instance_name=name,
        host_name=host,
        description=params.text("Description"),
        region_id=cloud.settings.region,
        zone_id=vswitch.zone_id,
        instance_type=kind.id,
        instance_type_family=kind.family,
        cpu=kind.cpus,
        memory=kind.memory * 1024,
        gpu_amount=kind.gpus,
        gpu_spec=kind.gpu,
        image_id=call.image,
        os_name=IMAGES[call.image].name,
        creation_time=stamp(seconds=False),
        auto_release_time=check_release_time(params.text("AutoReleaseTime")),
        instance_charge_type=params.text("InstanceChargeType", "PostPaid"),
        spot_strategy=spot,
        spot_price_limit=_price_limit(params),
        spot_duration=params.number("SpotDuration", 1 if spot != "NoSpot" else 0),
        spot_interruption_behavior=params.text("SpotInterruptionBehavior", "Terminate" if spot != "NoSpot" else ""),
        internet_charge_type=params.text("InternetChargeType", "PayByTraffic"),
        internet_max_bandwidth_out=bandwidth,
        key_pair_name=params.text("KeyPairName"),
        deletion_protection=params.flag("DeletionProtection"),
        resource_group_id=params.text("ResourceGroupId"),
        vpc_id=vswitch.vpc_id,
        vswitch_id=vswitch.vswitch_id,
        address=address,
        login_as_non_root=params.flag("ImageOptions.LoginAsNonRoot"),
        security_groups=list(call.groups),
        public_address=free_public_address(cloud) if bandwidth else "",
        http_endpoint=params.text("HttpEndpoint", "enabled"),
        http_tokens=params.text("HttpTokens", "optional"),
        http_put_response_hop_limit=params.number("HttpPutResponseHopLimit", 0),
        status="Pending",
        tags=params.tags(),
        user_data=params.text("UserData"),
    )
    instance.network_interface = create_primary(cloud, instance, address)
    create_disks(cloud, instance, params)
    cloud.store.put(instance)
    return key


def _numbered(text: str, params: Params, number: int) -> str:
    """Names of a gang, where the caller asks for UniqueSuffix: name001, name002."""
    return f"{text}{number + 1:03d}" if text and params.flag("UniqueSuffix") else text
