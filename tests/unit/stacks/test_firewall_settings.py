"""The firewall's settings: what they allow together, and what is declared of them."""

from __future__ import annotations

import pytest

from stacks.load_settings import parse
from stacks.settings import ports
from stacks.settings.errors import SettingsError
from tests.support.graph import graph, reaches, step_environment
from tests.support.settings import refusal, stack, values

NATIVE = {"runtime": "native", "native": {"packages": ["vllm==0.33.0"]}, "storage": {"path": "/data"}}
PUBLIC = [{"name": "a", "address": "8.8.8.8", "privateAddress": "10.0.0.1"}, {"name": "b", "address": "8.8.4.4"}]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"firewall": {"allowedCidrs": ["10.0.0.1/8"]}}, "10.0.0.1/8 is no IPv4 range"),
        ({"firewall": {"enabled": False, "allowedCidrs": ["10.0.0.0/8"]}}, "allowedCidrs: firewall.enabled is false"),
        ({**NATIVE, "firewall": {"allowedCidrs": ["10.0.0.0/8"]}}, "runtime native makes no firewall, without root"),
        (
            {**NATIVE, "machines": PUBLIC},
            "machines: b's privateAddress is 8.8.4.4, a public address, where anybody could run code through",
        ),
    ],
)
def test_what_closes_nothing_is_refused(changes, expected):
    assert expected in refusal(**changes)


def test_public_addresses_are_for_whoever_closes_ports_otherwise():
    assert parse(values(**NATIVE, machines=PUBLIC, firewall={"enabled": False})).runtime == "native"
    assert parse(values(machines=PUBLIC)).firewall.enabled


def test_security_groups_do_it_on_alibaba_cloud():
    with pytest.raises(SettingsError, match="firewall: is for machines that exist already"):
        parse(stack("dev", firewall={"enabled": False}))


def test_every_port_is_open_by_a_setting_of_its_own_or_for_the_machines_alone():
    page = {"enabled": True, "allowedCidrs": ["192.0.2.0/24"]}
    tls = {"mode": "acme", "domain": "api.example"}
    table = ports.table(parse(values(webui=page, gateway={"tls": tls})))
    assert {one.setting for one in table if one.public} == {"gateway.port", "gateway.tls", "webui.port"}


@pytest.mark.parametrize("executor", ["ray", "mp"])
def test_nothing_listens_for_other_machines_before_ports_are_closed(monkeypatch, tmp_path, executor):
    seen = graph(monkeypatch, tmp_path, executor=executor)
    for name in ("n0-firewall", "n1-firewall"):
        assert {"n0-prepare-done", "n1-prepare-done"} <= {n for n in seen if reaches(seen, name, n)}
        assert all(reaches(seen, f"n{n}-{'ray' if executor == 'ray' else 'engine'}", name) for n in (0, 1))
    first, second = step_environment(seen["n0-firewall"]), step_environment(seen["n1-firewall"])
    assert first["MEMBERS"].split() == second["MEMBERS"].split() == ["10.0.0.1", "10.0.0.2"]
    assert (first["OPEN"], second["OPEN"]) == ("8000", "")
    if executor == "ray":
        assert second["CLOSED"] == "6379-6386 10002-10999"
    else:
        assert (first["CLOSED"], second["CLOSED"]) == ("8100 29400 29501", "")


def test_no_table_is_made_without_root_or_when_it_is_switched_off(monkeypatch, tmp_path):
    native = graph(monkeypatch, tmp_path, executor="mp", runtime={"runtime": "native", "storage": {"path": "/data"}})
    off = {"images": {"engine": "registry/vllm:1"}, "firewall": {"enabled": False}}
    for seen in (native, graph(monkeypatch, tmp_path, executor="mp", runtime=off)):
        assert not [name for name in seen if "firewall" in name]
