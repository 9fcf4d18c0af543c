"""Settings of virtual keys for a team: what they allow, what they price, and what a deployment makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from components.team import Price
from planner import Plan, ReservedEstimate
from stacks.load_settings import parse
from stacks.planning import plan_for
from stacks.settings import ports
from stacks.settings.gateway_secrets import team_problems
from stacks.settings.team import TeamSettings
from stacks.team import price_of
from tests.support.graph import graph, reaches
from tests.support.settings import refusal, stack, values

DOCKER = {"images": {"engine": "registry/vllm:1"}}
NATIVE = {"runtime": "native", "native": {"packages": ["vllm==0.33.0"]}, "storage": {"path": "/data"}}


def test_one_word_is_enough_and_the_port_is_then_the_machine_s_own():
    settings = parse(values(gateway={"team": True}))
    assert settings.gateway.team.enabled
    own = {one.setting: one.public for one in ports.table(settings) if one.setting.startswith("gateway.team")}
    assert own == {"gateway.team.port": False, "gateway.team.innerPort": False, "gateway.team.databasePort": False}


def test_ranges_open_the_port_of_the_pages_and_no_other():
    settings = parse(values(gateway={"team": {"enabled": True, "allowedCidrs": ["192.0.2.0/24"]}}))
    public = {one.setting for one in ports.table(settings) if one.public}
    assert public == {"gateway.port", "gateway.team.port"}


def test_without_the_setting_nothing_listens():
    assert not [one for one in ports.table(parse(values())) if "team" in one.setting]


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        ({"team": {"enabled": True, "inputPrice": 1}}, "gateway.team.outputPrice: is missing"),
        ({"team": {"enabled": True, "inputPrice": -1, "outputPrice": 1}}, "gateway.team.inputPrice"),
        ({"team": {"enabled": True, "aliases": ["a b"]}}, "'a b' is no model's name"),
        ({"team": {"enabled": True, "aliases": ["a", "a"]}}, "one name stands there twice"),
        (
            {"team": {"enabled": True, "aliases": ["model-7b"]}},
            "gateway.team.aliases: model-7b is the model's own name",
        ),
        ({"team": {"enabled": True, "allowedCidrs": ["10.0.0.1/8"]}}, "gateway.team.allowedCidrs"),
        ({"team": {"enabled": True, "port": 8000}}, "want the same port of one machine"),
        ({"team": True, "keys": ["team"]}, "gateway.keys: team is what the log calls all virtual keys"),
        ({"team": {"enabled": True, "url": "http://h:1"}}, "gateway.team.url: begins with http://"),
        (
            {
                "team": {"enabled": True, "allowedCidrs": ["192.0.2.0/24"]},
                "tls": "none",
                "allowedCidrs": ["10.0.0.0/8"],
            },
            "gateway.team.allowedCidrs to private ranges",
        ),
        ({"team": "yes"}, "gateway.team"),
    ],
)
def test_what_can_t_work_is_refused_by_name(gateway, expected):
    assert expected in refusal(gateway=gateway)


def test_natively_it_is_refused_with_the_reason():
    said = refusal(gateway={"team": True}, **NATIVE)
    assert "gateway.team: LiteLLM reaches PostgreSQL by Prisma's engines" in said
    assert "set runtime: docker" in said


@pytest.mark.parametrize(
    ("enabled", "key", "expected"),
    [
        (True, "sk-" + "x" * 20, None),
        (True, None, None),
        (True, "x" * 20, "must begin with sk-"),
        (True, "sk-short", "can be guessed"),
        (False, "sk-" + "x" * 20, "has no meaning without gateway.team"),
    ],
)
def test_keys_of_one_s_own_are_looked_at(enabled, key, expected):
    problems = team_problems(TeamSettings(enabled=enabled), {"teamKey": key})  # type: ignore[call-arg]
    assert [expected in problem for problem in problems] == [True] * (expected is not None)


@dataclass
class Rented:
    """Of a plan what a price is made of."""

    price: float
    estimate: Any = None


def test_the_settings_price_counts_by_the_million():
    team = TeamSettings(input_price=0.5, output_price=2)  # type: ignore[call-arg]  # the rest has defaults
    assert price_of(team, None) == Price(0.5e-6, 2e-6)


def test_own_machines_without_a_price_count_nothing():
    team = TeamSettings()  # type: ignore[call-arg]  # every field has a default
    assert price_of(team, None) is None
    assert price_of(team, cast("Plan", Rented(0.0))) is None


def test_rented_machines_count_their_hour_by_the_tokens_that_they_could_make():
    plan = plan_for(parse(stack("dev")))
    assert plan is not None
    assert isinstance(plan.estimate, ReservedEstimate)
    price = price_of(TeamSettings(), plan)  # type: ignore[call-arg]  # every field has a default
    assert price is not None
    assert price.output * plan.estimate.throughput.rates[-1].decode.high * 3600 == pytest.approx(plan.price, rel=0.01)
    assert 0 < price.input < price.output


def test_keys_and_data_come_before_litellm_and_the_engine_s_answer_needs_none_of_it(monkeypatch, tmp_path):
    seen = graph(monkeypatch, tmp_path, executor="mp", runtime={**DOCKER, "gateway": {"team": True}})
    assert reaches(seen, "n0-team", "n0-team-database")
    assert reaches(seen, "n0-team-database", "n0-team-data-run")
    assert reaches(seen, "n0-team-ready-run", "n0-team")
    assert reaches(seen, "n0-team-ready-run", "n0-gateway")
    assert not reaches(seen, "answer-asked", "n0-team")
    assert not reaches(seen, "n0-gateway", "n0-team")
    assert "n1-team" not in seen
    users = {name: seen[name].object.fields["user"].string_value for name in ("n0-team", "n0-team-database")}
    assert users == {"n0-team": "65532:65532", "n0-team-database": "999:999"}


def test_without_the_setting_a_deployment_has_nothing_of_it(monkeypatch, tmp_path):
    assert not [name for name in graph(monkeypatch, tmp_path) if "team" in name]
