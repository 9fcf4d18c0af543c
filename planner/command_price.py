"""`python -m planner price`: what a machine costs an hour, by the table or asked live."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from planner.catalog.price import live_price, price_client
from planner.cluster import rented


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("instance_type", help="such as ecs.gn8is-2x.8xlarge")
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--live", action="store_true", help="ask Alibaba Cloud with the environment's keys")
    parser.add_argument("--region", default="cn-hangzhou")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> str:
    """Looks up and formats.

    Raises:
        Refusal: no such type, or no answer.
    """
    price = None
    if options.live:
        price = live_price(price_client(options.region), options.instance_type, options.region)
    cluster = rented(options.instance_type, options.machines, price)
    if options.json:
        return json.dumps({"cny_per_hour": cluster.price, "machines": cluster.machines, "source": cluster.priced})
    return f"{cluster.machines} x {cluster.name}: CNY {cluster.price:.2f} an hour ({cluster.priced})"
