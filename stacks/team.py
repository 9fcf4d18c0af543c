"""LiteLLM of a deployment: its settings, secrets and price, and the component behind the gateway."""

from __future__ import annotations

import pulumi

from components.team import Price, ProxyConfig, Team, TeamArgs
from planner import Plan, ReservedEstimate
from stacks.gateway import Front, GatewaySecrets, scheme
from stacks.programs import team_programs
from stacks.settings.stack import Settings
from stacks.settings.team import TeamSettings

UNPRICED = (
    "gateway.team: what a token costs is not known, so no budget is ever used up; set gateway.team.inputPrice and "
    "outputPrice, for a million tokens each"
)


def make_team(
    settings: Settings, plan: Plan | None, front: Front, secrets: GatewaySecrets, *, task: pulumi.Input[str]
) -> dict[str, pulumi.Output[object]]:
    """LiteLLM and PostgreSQL on the gateway's host; the address is an output once the model was seen through it."""
    team, host = settings.gateway.team, front.gateway.host
    proxy, database = team_programs(settings)
    price = price_of(team, plan)
    if price is None:
        pulumi.log.warn(UNPRICED)
    address = pulumi.Output.concat(scheme(settings), "://", host.machine.address, f":{team.port}")
    made = Team(
        "team",
        host=host,
        args=TeamArgs(
            proxy=host.prepare("team", proxy),
            database=host.prepare("team-database", database),
            config=ProxyConfig(settings.model.name, settings.serving.port, team.aliases, price=price),
            task=task,
            base_url=team.url or address,
            port=team.port,
            inner_port=team.inner_port,
            database_port=team.database_port,
            scheme=scheme(settings),
            keep=team.keep,
            master_key=secrets.team_key,
            salt_key=secrets.team_salt_key,
        ),
        after=[front.gateway],
        gateway_version=front.gateway.version,
    )
    return {"teamUrl": made.url, "teamKey": made.master_key, "teamSaltKey": made.salt_key}


def price_of(team: TeamSettings, plan: Plan | None) -> Price | None:
    """What a token counts: by the settings, else the plan's hour shared by the tokens that it could make; None unknown.

    By the upper ends of the plan's ranges for most streams: a token costs that much at least, in CNY.
    """
    if team.input_price is not None and team.output_price is not None:
        return Price(team.input_price / 1e6, team.output_price / 1e6)
    if plan is None or not plan.price or not isinstance(plan.estimate, ReservedEstimate):
        return None
    second, rates = plan.price / 3600, plan.estimate.throughput.rates
    if not rates:
        return None
    return Price(*(float(f"{second / span.high:.3g}") for span in (rates[-1].prefill, rates[-1].decode)))
