"""Prices: the catalog's, which are made up."""

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import CURRENCY, SPOT_SHARE, TYPES, ZONES, sold_in
from localcloud.cloud.cloud import Cloud, stamp
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, invalid

HOURS = {"Hour": 1, "Day": 24, "Week": 168, "Month": 720, "Year": 8640}
DISK_GIB_HOUR = 0.0021  # CNY, a made-up figure near an ESSD's


@action("Ecs", "DescribePrice")
def describe_price(cloud: Cloud, params: Params) -> Json:
    """Price of machines with their system disk for a time."""
    resource = params.text("ResourceType", "instance")
    unit = params.text("PriceUnit", "Hour")
    if unit not in HOURS:
        raise invalid("PriceUnit", f"{unit} is not one of {', '.join(HOURS)}")
    hours = HOURS[unit] * params.number("Period", 1, 1) * params.number("Amount", 1, 1, 1000)
    disk = params.number("SystemDisk.Size", 40, 0) * DISK_GIB_HOUR * hours
    details = [("systemDisk", disk, disk)]
    if resource == "instance":
        name = params.need("InstanceType")
        if name not in TYPES:
            raise ApiError(400, "InvalidInstanceType.ValueNotSupported", f"The instance type {name} does not exist.")
        full = TYPES[name].price * hours
        spot = params.text("SpotStrategy", "NoSpot") != "NoSpot"
        details.insert(0, ("instanceType", full, full * SPOT_SHARE if spot else full))
    original = round(sum(whole for _, whole, _ in details), 4)
    trade = round(sum(paid for _, _, paid in details), 4)
    price = {
        "Currency": CURRENCY,
        "OriginalPrice": original,
        "TradePrice": trade,
        "DiscountPrice": round(original - trade, 4),
        "ReservedInstanceHourPrice": 0.0,
        "DetailInfos": {
            "DetailInfo": [
                {
                    "Resource": name,
                    "OriginalPrice": round(whole, 4),
                    "TradePrice": round(paid, 4),
                    "DiscountPrice": round(whole - paid, 4),
                    "SubRules": {"Rule": []},
                }
                for name, whole, paid in details
            ]
        },
    }
    return {"PriceInfo": {"Price": price, "Rules": {"Rule": []}}}


@action("Ecs", "DescribeSpotPriceHistory")
def describe_spot_price_history(cloud: Cloud, params: Params) -> Json:
    """The spot price now, by zone."""
    name = params.need("InstanceType")
    if name not in TYPES:
        raise ApiError(400, "InvalidInstanceType.ValueNotSupported", f"The instance type {name} does not exist.")
    kind, wanted = TYPES[name], params.text("ZoneId")
    prices = [
        {
            "ZoneId": zone,
            "InstanceType": name,
            "IoOptimized": "optimized",
            "NetworkType": "vpc",
            "OriginPrice": kind.price,
            "SpotPrice": round(kind.price * SPOT_SHARE, 4),
            "Timestamp": stamp(),
        }
        for zone in ZONES.get(cloud.settings.region, [])
        if wanted in ("", zone) and zone in sold_in(cloud.settings.region, kind)
    ]
    return {"Currency": CURRENCY, "NextOffset": 0, "SpotPrices": {"SpotPriceType": prices}}
