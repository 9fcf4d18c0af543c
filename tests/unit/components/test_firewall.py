"""firewall.py: which ports are closed, and the text of the rules."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

FILES = ROOT / "components/host/files"


@pytest.fixture
def firewall(monkeypatch):
    monkeypatch.syspath_prepend(str(FILES))
    module = __import__("firewall")
    yield module
    sys.modules.pop("firewall")


def test_ports_are_read_as_settings_and_the_kernel_write_them(firewall):
    assert firewall.parse("80 8000-8010") == [(80, 80), (8000, 8010)]
    assert firewall.parse("8080,9148\n") == [(8080, 8080), (9148, 9148)]
    assert firewall.parse("\n") == []


@pytest.mark.parametrize(
    ("spans", "taken", "left"),
    [
        ([(10, 20)], [], [(10, 20)]),
        ([(10, 20), (15, 30), (31, 31)], [], [(10, 31)]),
        ([(10, 20)], [(10, 10), (20, 20)], [(11, 19)]),
        ([(32768, 60999)], [(50051, 50051)], [(32768, 50050), (50052, 60999)]),
        ([(5, 6)], [(1, 9)], []),
    ],
)
def test_what_others_have_is_left_out(firewall, spans, taken, left):
    assert firewall.without(spans, taken) == left


def test_every_port_is_closed_or_open_as_it_was_asked(firewall):
    dice = random.Random(12)  # noqa: S311  # for a test
    for _ in range(200):
        spans, taken = (
            [(first, first + dice.randrange(9)) for first in (dice.randrange(1, 200) for _ in range(dice.randrange(6)))]
            for _ in range(2)
        )
        closed = {p for first, last in firewall.without(spans, taken) for p in range(first, last + 1)}
        wanted = {p for first, last in spans for p in range(first, last + 1)}
        assert closed == wanted - {p for first, last in taken for p in range(first, last + 1)}


def test_the_rules_judge_new_tcp_connections_to_closed_ports_alone(firewall):
    """No policy drops, SSH stands in no rule, and the one that drops comes after all that accept."""
    text = firewall.ruleset("tandem_t", "Tandem t", ["10.0.0.2", "10.0.0.1", "10.0.0.0/30"], [(6379, 6386), (9, 9)])
    assert text.startswith("table inet tandem_t\ndelete table inet tandem_t\ntable inet tandem_t {\n")
    assert "policy accept" in text
    assert "policy drop" not in text
    assert "elements = { 10.0.0.0/30 }" in text, "overlapping intervals are refused by nftables"
    assert "elements = { 6379-6386, 9 }" in text
    rules = text.split("policy accept;\n")[1].splitlines()
    assert [line.split()[-1] for line in rules[:5]] == ["accept"] * 5
    assert rules[5].strip() == 'counter drop comment "Tandem t"'
    assert set("".join(rules[6:])) <= set(" }")


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not installed")
def test_nftables_takes_the_rules(firewall):
    text = firewall.ruleset("tandem_tandem-my.stack", "Tandem tandem-my.stack", ["10.0.0.1"], [(6379, 6386)])
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "nft", "--check", "--file", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_of_ephemeral_ports_those_stay_open_where_others_listen(firewall, monkeypatch, tmp_path, capsys):
    """The named ports are closed whoever seems to listen there."""
    net = tmp_path / "sys/net/ipv4"
    net.mkdir(parents=True)
    (net / "ip_local_port_range").write_text("32768\t60999\n")
    (net / "ip_local_reserved_ports").write_text("50000-50010\n")
    (tmp_path / "net").mkdir()
    row = " 0: 00000000:{:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 {} 1 0 100 0\n"
    (tmp_path / "net/tcp").write_text("head\n" + row.format(40000, 1) + row.format(6380, 2) + row.format(22, 3))
    monkeypatch.setattr(firewall.ports, "PROC", tmp_path)
    monkeypatch.setattr(firewall.ports, "containers", dict)
    for name, value in {"CLOSED": "6379-6386", "OPEN": "45000", "MEMBERS": "10.0.0.1", "TANDEM_STACK": "t"}.items():
        monkeypatch.setenv(name, value)
    assert firewall.main("t", "T") == 0
    closed = "6379-6386, 32768-39999, 40001-44999, 45001-49999, 50011-60999"
    assert f"elements = {{ {closed} }}" in capsys.readouterr().out
