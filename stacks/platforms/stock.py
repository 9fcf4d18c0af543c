"""Which candidate has all machines in stock, asked before anything is rented."""

from __future__ import annotations

from collections.abc import Callable

import pulumi
import pulumi_alicloud as alicloud

from stacks.settings.cloud import Candidate, CloudSettings
from stacks.settings.errors import SettingsError


def pick_candidate(cloud: CloudSettings, provider: alicloud.Provider) -> Candidate:
    """The first candidate whose zone sells the machines now; storage and fetcher must be sold in theirs.

    Asks through the provider's data sources, before anything is created.

    Raises:
        SettingsError: none, with what each zone said.
    """
    opts = pulumi.InvokeOptions(provider=provider)

    def sells(instance_type: str, zone: str, *, spot: bool = False) -> bool:
        found = alicloud.ecs.get_instance_types(
            instance_type=instance_type,
            availability_zone=zone,
            instance_charge_type="PostPaid",
            spot_strategy="SpotWithPriceLimit" if spot else "NoSpot",
            opts=opts,
        )
        return any(each.id == instance_type for each in found.instance_types)

    def zones() -> list[str]:
        return sorted(zone.id for zone in alicloud.get_zones(opts=opts).zones)

    classes = {
        zone.zone_id: {(each.storage_type.lower(), each.protocol_type.lower()) for each in zone.instance_types}
        for zone in alicloud.nas.get_zones(file_system_type=cloud.nas.type, opts=opts).zones
    }
    return first_in_stock(cloud, sells, zones, classes)


def first_in_stock(
    cloud: CloudSettings,
    sells: Callable[..., bool],
    zones: Callable[[], list[str]],
    nas_classes: dict[str, set[tuple[str, str]]],
) -> Candidate:
    """The choice itself.

    Args:
        cloud: the settings.
        sells: whether an instance type is in stock in a zone; `spot` says at which terms.
        zones: all zones of the region, asked for when a refusal is to name one that works.
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
    if not sells(fetcher, zone):
        raise SettingsError(
            f"cloud.fetcher.instanceType: {zone} has no {fetcher} now; {_elsewhere(fetcher, sells, zones)}; set "
            "cloud.nas.zone to such a zone, or choose another small type, such as ecs.u1-c1m4.large"
        )
    spot = cloud.spot_price_limit is not None
    said: list[str] = []
    for candidate in cloud.candidates:
        if sells(candidate.instance_type, candidate.zone, spot=spot):
            pulumi.log.info(
                f"{cloud.machines} x {candidate.instance_type} in {candidate.zone}: in stock"
                + (f" ({'; '.join(said)})" if said else "")
            )
            return candidate
        said.append(f"{candidate.zone} has no {candidate.instance_type} now")
    types = dict.fromkeys(candidate.instance_type for candidate in cloud.candidates)
    raise SettingsError(
        f"cloud.candidates: no candidate holds {cloud.machines} machines now; nothing was rented:\n"
        + "\n".join(f"  {each}" for each in [*said, *(_elsewhere(each, sells, zones, spot=spot) for each in types)])
        + "\n  add a zone that sells one, another instanceType, or try again later"
    )


def _elsewhere(
    instance_type: str, sells: Callable[..., bool], zones: Callable[[], list[str]], *, spot: bool = False
) -> str:
    found = [zone for zone in zones() if sells(instance_type, zone, spot=spot)]
    return f"{instance_type} is sold in {', '.join(found)}" if found else f"{instance_type} is sold in no zone now"
