"""`make cost`: what it prints, and with which code it ends."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest

from components.alicloud.api import ApiError
from components.alicloud.costs import Rented
from stacks import cost
from stacks.settings.errors import SettingsError
from stacks.stack_settings import settings_of
from tests.support.reported import BEGAN, NOW
from tests.support.settings import stack as configuration


@pytest.fixture
def pulumi(tmp_path, monkeypatch):
    """A `pulumi` of the test's own, whose `config` is a stack's file."""

    def serve(name, **changes):
        shown = {f"tandem:{key}": {"value": value} for key, value in configuration(name, **changes).items()}
        (tmp_path / "config.json").write_text(json.dumps({**shown, "tandem:apiKey": {"value": "k", "secret": True}}))

    program = tmp_path / "pulumi"
    program.write_text(
        '#!/bin/sh\ncase $* in *nowhere*) echo "error: no stack named it" >&2; exit 255;; esac\n'
        f'cat "{tmp_path}/config.json"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return serve


@pytest.fixture
def account(monkeypatch):
    """An account with one machine of CNY 40 an hour, thirty hours old."""
    machine = Rented("i-1", "node-0", "ecs.x", "machine", "cn-hangzhou-h", BEGAN, 40.0, False, False, "")
    monkeypatch.setattr(cost, "has_keys", lambda: True)
    monkeypatch.setattr(cost, "Api", lambda *_: None)
    monkeypatch.setattr(cost, "rented", lambda *_: [machine])

    def denied(*_):
        raise ApiError("NotAuthorized", "DescribeInstanceBill was refused: NotAuthorized")

    monkeypatch.setattr(cost, "billed", denied)
    return machine


def test_machines_and_what_an_hour_costs_are_printed(pulumi, account, capsys):
    pulumi("dev")
    assert cost.main(["dev"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("node-0 ecs.x in cn-hangzhou-h: ")
    assert said[-1] == "an hour   CNY 40.00"


def test_a_passed_limit_is_another_exit_code(pulumi, account, capsys):
    pulumi("dev", cloud={"costLimit": 100})
    assert cost.main(["dev", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["limit"] == 100
    assert report["warning"]
    assert "bss:DescribeInstanceBill" in report["no_bill"]


def test_machines_of_ones_own_cost_nothing_here(pulumi, capsys):
    pulumi("hosts")
    assert cost.main(["hosts"]) == 0
    assert "its machines are your own" in capsys.readouterr().out


def test_without_keys_nothing_is_asked(pulumi, monkeypatch, capsys):
    pulumi("dev")
    monkeypatch.setattr(cost, "has_keys", lambda: False)
    assert cost.main(["dev"]) == 1
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in capsys.readouterr().err


def test_a_stack_that_is_not_there_is_named(pulumi):
    with pytest.raises(SettingsError, match="stack nowhere shows no settings: no stack named it"):
        settings_of("nowhere")


def test_settings_are_read_without_the_secrets(pulumi):
    pulumi("dev", cloud={"costLimit": 5})
    found = settings_of("dev")
    assert found.cloud and found.cloud.cost_limit == 5


def test_the_larger_of_bill_and_hours_counts(account):
    from components.alicloud.costs import Bill

    for amount, spent in ((10.0, 1200.0), (5000.0, 5000.0)):
        assert cost.Cost((account,), Bill(amount, "CNY", {}), "", BEGAN + timedelta(hours=30), None).spent == spent
    assert BEGAN + timedelta(hours=30) == NOW
