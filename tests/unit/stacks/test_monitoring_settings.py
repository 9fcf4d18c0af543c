"""Monitoring's settings and secrets: what they allow together, and what of a graph they make."""

from __future__ import annotations

import json

import pytest

from stacks.load_settings import parse
from stacks.monitoring import planned_figures
from stacks.planning import plan_for
from stacks.settings import ports
from stacks.settings.monitoring import MonitoringSettings
from stacks.settings.monitoring_secrets import monitoring_problems
from tests.support.graph import graph, reaches
from tests.support.settings import refusal, stack, values

ON = {"enabled": True}
MAIL = {"to": ["a@b.example"], "sender": "c@b.example", "server": "smtp.example:587"}
NATIVE = {
    "runtime": "native",
    "native": {"packages": ["vllm==0.33.0"], "path": ["/opt/prometheus"]},
    "storage": {"path": "/data"},
}


@pytest.mark.parametrize(
    ("monitoring", "runtime", "expected"),
    [
        (ON, NATIVE, "monitoring.grafana: Grafana is run from its image only; set it to false"),
        (
            {**ON, "grafana": False},
            {**NATIVE, "native": {"packages": ["vllm==0.33.0"]}},
            "native.path: is missing; monitoring needs prometheus, alertmanager and node_exporter",
        ),
        ({**ON, "npuExporterPort": 8082}, {}, "monitoring.npuExporterPort: is for accelerator.kind ascend"),
        ({**ON, "retention": "for ever"}, {}, "monitoring.retention"),
        ({**ON, "mail": {**MAIL, "to": ["nobody"]}}, {}, "monitoring.mail.to"),
        ({**ON, "firstPort": 8097}, {}, "monitoring.firstPort"),
    ],
)
def test_what_can_not_be_is_said_before_anything_is_made(monitoring, runtime, expected):
    assert expected in refusal(monitoring=monitoring, **runtime)


@pytest.mark.parametrize(
    ("monitoring", "password", "receivers", "expected"),
    [
        ({}, "p" * 16, None, "monitoringPassword: has no meaning without monitoring.enabled"),
        ({}, None, {"webhook": "https://h"}, "alertReceivers: has no meaning without monitoring.enabled"),
        (ON, "short", None, "monitoringPassword: has 5 characters, which can be guessed; give 16 or more"),
        (ON, "ä" * 16, None, "take ASCII ones"),
        (ON, None, ["https://h"], "alertReceivers: is no object of texts"),
        (ON, None, {"slack": "https://h"}, "alertReceivers.slack: no such receiver; known are webhook, dingtalk"),
        (ON, None, {"feishu": "token"}, "alertReceivers.feishu: is no URL"),
        (ON, None, {"feishuSecret": "s"}, "signs what goes to alertReceivers.feishu, which is missing"),
        (ON, None, {"mailPassword": "p"}, "monitoring.mail.user, which is missing"),
        ({**ON, "mail": {**MAIL, "user": "u"}}, None, {}, "alertReceivers.mailPassword, which is missing"),
    ],
)
def test_secrets_that_reach_nobody_are_reported_with_their_remedy(monitoring, password, receivers, expected):
    problems = monitoring_problems(
        MonitoringSettings.model_validate(monitoring), password, None if receivers is None else json.dumps(receivers)
    )
    assert len(problems) == 1
    assert expected in problems[0]


def test_a_whole_set_of_receivers_is_taken():
    section = MonitoringSettings.model_validate({**ON, "mail": {**MAIL, "user": "u"}})
    receivers = {"webhook": "https://h/x", "dingtalk": "https://d/x", "dingtalkSecret": "s", "mailPassword": "p"}
    assert monitoring_problems(section, "p" * 16, json.dumps(receivers)) == []


def test_its_ports_are_closed_to_the_outside():
    found = [one for one in ports.table(parse(values(monitoring=ON))) if one.setting.startswith("monitoring.")]
    assert [(one.span, one.where, one.public) for one in found] == [
        ("9390-9394", "first", False),
        ("9490-9491", "all", False),
    ]


def test_without_the_setting_nothing_of_it_is_made(monkeypatch, tmp_path):
    assert not [name for name in graph(monkeypatch, tmp_path) if "monitoring" in name or "prometheus" in name]


@pytest.mark.parametrize("native", [False, True])
def test_it_begins_when_the_deployment_answers_and_each_machine_has_an_exporter(monkeypatch, tmp_path, native):
    section = {**ON, "grafana": not native}
    seen = graph(monkeypatch, tmp_path, executor="mp", monitoring=section, runtime=NATIVE if native else None)
    parts = ["n0-prometheus", "n0-alertmanager", "n0-node-exporter", "n1-node-exporter"]
    parts += ["n0-state", "n1-state", "n0-alert-relay", *([] if native else ["n0-grafana"])]
    for name in parts:
        assert reaches(seen, name, "answer-asked"), name
        assert not reaches(seen, "answer-asked", name), name
    assert reaches(seen, "monitoring-login-tried", "n0-prometheus")
    assert not any(name.endswith("gpu-exporter") for name in seen)  # accelerator cpu


def test_receivers_and_the_login_are_in_no_plain_property(monkeypatch, tmp_path):
    receivers = {"webhook": "https://hooks.example/token-of-a-webhook", "feishu": "https://f.example/token-of-feishu"}
    secrets = {"alert_receivers": receivers, "login_password": "password-of-login"}
    seen = graph(monkeypatch, tmp_path, monitoring=ON, secrets=secrets)
    marker = "4dabf18193072939515e22adb298388d"  # how the engine marks a secret
    for name, request in seen.items():
        for key, value in request.object.fields.items():
            text = str(value)
            section = any(word in text for word in ("token-of", "password-of-login"))
            assert not section or marker in text, (name, key)


def test_the_plans_figures_are_those_of_the_plan():
    found = planned_figures(plan_for(parse(stack("dev"))))
    assert found["kv_cache_tokens"] > 10_000
    assert found["concurrency"] > 0
    assert 1 < found["price_cny_per_hour"] < 1000
    assert 30 < found["load_seconds"] < found["first_token_seconds"]
