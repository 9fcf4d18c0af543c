"""The gang before the money: which candidate holds all that is needed together."""

from __future__ import annotations

from collections.abc import Callable

import pulumi
import pulumi_alicloud as alicloud

from stacks.cloud_schema import Candidate, CloudSettings
from stacks.settings import SettingsError


def choose(cloud: CloudSettings, provider: alicloud.Provider) -> Candidate:
    """The first candidate whose zone sells the machines now; storage and fetcher must be had in theirs.

    Asks through the provider's data sources, before anything is created.

    Raises:
        SettingsError: none, with what each zone said.
    """
    opts = pulumi.InvokeOptions(provider=provider)

    def sells(instance_type: str, *, spot: bool) -> set[str]:
        found = alicloud.get_zones(
            available_instance_type=instance_type,
            available_resource_creation="Instance",
            instance_charge_type="PostPaid",
            spot_strategy="SpotWithPriceLimit" if spot else "NoSpot",
            opts=opts,
        )
        return {zone.id for zone in found.zones}

    classes = {
        zone.zone_id: {(each.storage_type.lower(), each.protocol_type.lower()) for each in zone.instance_types}
        for zone in alicloud.nas.get_zones(file_system_type=cloud.nas.type, opts=opts).zones
    }
    return decide(cloud, sells, classes)


def decide(
    cloud: CloudSettings, sells: Callable[..., set[str]], nas_classes: dict[str, set[tuple[str, str]]]
) -> Candidate:
    """The choice itself.

    Args:
        cloud: the settings.
        sells: zones that have stock of an instance type; `spot` says at which terms.
        nas_classes: (storage class, protocol) in lower case by zone.

    Raises:
        SettingsError: none holds all.
    """
    zone, wanted = cloud.nas_zone, cloud.nas.storage_class
    if cloud.file_system_id is None and (wanted.lower(), "nfs") not in nas_classes.get(zone, set()):
        others = sorted(z for z, has in nas_classes.items() if (wanted.lower(), "nfs") in has)
        raise SettingsError(
            f"cloud.nas: zone {zone} has no NAS of class {wanted}; "
            + (f"set cloud.nas.zone to {others[0]}" if others else "choose another cloud.nas.storageClass")
        )
    fetcher = cloud.fetcher.instance_type
    having = sells(fetcher, spot=False)
    if zone not in having:
        raise SettingsError(
            f"cloud.fetcher.instanceType: {zone} has no {fetcher} now; "
            + (f"it is sold in {', '.join(sorted(having))}: set cloud.nas.zone to one of them, or " if having else "")
            + "choose another small type, such as ecs.u1-c1m4.large"
        )
    said: list[str] = []
    spot = cloud.spot_price_limit is not None
    for candidate in cloud.candidates:
        zones = sells(candidate.instance_type, spot=spot)
        if candidate.zone in zones:
            pulumi.log.info(
                f"{cloud.machines} x {candidate.instance_type} in {candidate.zone}: in stock"
                + (f" ({'; '.join(said)})" if said else "")
            )
            return candidate
        elsewhere = f"sold in {', '.join(sorted(zones))}" if zones else f"sold nowhere in {cloud.region} now"
        said.append(f"{candidate.zone} has no {candidate.instance_type}, which is {elsewhere}")
    raise SettingsError(
        f"cloud.candidates: no candidate holds {cloud.machines} machines now; nothing was rented:\n"
        + "\n".join(f"  {each}" for each in said)
        + "\n  add one of those zones, another instanceType, or try again later"
    )
