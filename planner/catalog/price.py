"""What a machine costs an hour, asked of Alibaba Cloud: DescribePrice by Alibaba's own client."""

from __future__ import annotations

import os
from typing import Any, Protocol

from planner.refusal import Refusal

KEY, SECRET = "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # names of variables, no secrets


class PriceClient(Protocol):
    """The one call that is used of alibabacloud_ecs20140526.client.Client."""

    def describe_price(self, request: Any, /) -> Any:  # noqa: ANN401  # the client's own models carry no types
        """Asks for a price."""
        ...


def price_client(region: str) -> PriceClient:
    """A client with the keys of the environment, as Alibaba's other tools take them.

    Raises:
        Refusal: `no_keys`, or `no_client` when the package isn't installed.
    """
    key, secret = os.environ.get(KEY), os.environ.get(SECRET)
    if not key or not secret:
        raise Refusal("no_keys", KEY, f"or {SECRET} isn't set", "export both, or plan with the table's prices")
    try:
        from alibabacloud_ecs20140526.client import Client
        from alibabacloud_tea_openapi.utils_models import Config
    except ImportError:
        raise Refusal(
            "no_client", "price", "Alibaba's client isn't installed", "pip install alibabacloud-ecs20140526"
        ) from None
    config = Config(
        access_key_id=key, access_key_secret=secret, region_id=region, endpoint=f"ecs.{region}.aliyuncs.com"
    )
    client: PriceClient = Client(config)
    return client


def live_price(client: PriceClient, instance_type: str, region: str) -> float:
    """CNY an hour, pay as you go, of one machine without its disks' traffic and addresses.

    Raises:
        Refusal: `price_not_given` with what the service says.
    """
    from alibabacloud_ecs20140526 import models

    request = models.DescribePriceRequest(
        region_id=region, resource_type="instance", instance_type=instance_type, price_unit="Hour", period=1, amount=1
    )
    try:
        price = client.describe_price(request).body.price_info.price
    except Exception as error:
        said = str(getattr(error, "message", "") or error).splitlines()[0][:200]
        raise Refusal(
            "price_not_given",
            "instanceType",
            f"{instance_type} in {region}: {said}",
            "try a zone and type that are sold there, or plan with the table's prices",
        ) from None
    return float(price.trade_price)
