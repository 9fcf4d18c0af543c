"""Inner ports of real machines: closed for all but the machines, beside others' rules, and nobody locked out."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from components.machine.agent import Failure
from tests.support.firewalled import ALL, ENGINE, FOREIGN, SSH, STACK, STATE, TABLE, URL, Firewalled
from tests.support.portscan import ALL as EVERY_PORT
from tests.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]
LEFT = {SSH, URL, FOREIGN}
NAMES = f"-e firewall-{STACK} -e tandem-{STACK}"
UNITS = f"systemctl list-units --all --plain --no-legend 'firewall-*'; ls -R /etc/systemd/system | grep {NAMES}"


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firewalled]:
    made = Firewalled(tmp_path_factory.mktemp("firewall"))
    yield made
    made.close()


@pytest.fixture
def bare(machines: Firewalled) -> Firewalled:
    """Machines without our table."""
    for name in ("one", "two"):
        machines.destroyed(name)
        machines.acquired(name)
    return machines


def test_only_the_machines_reach_inner_ports_and_connections_outlive_it(bare: Firewalled) -> None:
    """Before: everybody reaches everything. After: the others see SSH, the URL, and what isn't ours."""
    watchers = ("", "third")
    assert [bare.seen("one", by=each) for each in watchers] == [ALL, ALL]
    with socket.create_connection((bare.address("one"), ENGINE), timeout=5) as before:
        assert bare.closed("one") == f"table=tandem_{STACK}"
        assert [bare.seen("one", by=each) for each in watchers] == [LEFT, LEFT]
        assert bare.seen("one", by="two") == bare.seen("one", by="one") == ALL
        assert bare.seen("two", by="third") == ALL, "its own table comes with its own step"
        before.send(b"still there")
        assert before.recv(100) == b"still there"
    # One more address is let in, by the same table made anew.
    bare.closed("one", allowed=f"{bare.address('third')}/32")
    assert [bare.seen("one", by=each) for each in watchers] == [LEFT, ALL]
    bare.opened("one")
    assert bare.seen("one") == ALL
    assert "tandem" not in bare.ok("one", f"nft list tables; {UNITS} || true")


def test_what_nobody_confirms_is_taken_back(bare: Firewalled) -> None:
    """Nothing is left of a first one; a second one goes back to the first."""
    assert bare.armed("one", seconds=4).startswith("table=")
    assert bare.seen("one") == LEFT
    until(lambda: bare.seen("one") == ALL)
    late = bare.run("one", 'exec bash "$1" confirm', STATE)
    assert (late.returncode, "was taken back before this connection came" in late.stderr) == (1, True)
    bare.closed("one")
    bare.armed("one", seconds=4, allowed=f"{bare.address('third')}/32")
    assert bare.seen("one", by="third") == ALL
    until(lambda: bare.seen("one", by="third") == LEFT)


def test_it_holds_over_a_reboot_and_destroy_leaves_nothing(bare: Firewalled) -> None:
    bare.closed("one")
    rules = bare.ok("one", f"nft --stateless list table {TABLE}")
    bare.site.machine("one").reboot()
    until(lambda: bare.run("one", "true").returncode == 0, 60)
    bare.listen("one")
    assert bare.ok("one", f"nft --stateless list table {TABLE}") == rules
    assert bare.seen("one", by="third") == LEFT
    bare.destroyed("one")
    assert bare.ok("one", f"nft list tables; {UNITS} || true; ls /var/lib/tandem 2>/dev/null || true") == ""
    assert bare.seen("one", by="third") == ALL
    bare.acquired("one")


def test_what_stands_in_the_way_is_one_sentence(bare: Firewalled) -> None:
    bare.ok("one", f"nft add table {TABLE}")
    with pytest.raises(Failure, match=rf"has a table {TABLE} of somebody else's; remove it \(nft delete table"):
        bare.closed("one")
    bare.ok("one", f"nft list table {TABLE} && nft delete table {TABLE}")
    for stand_in, sentence in (
        ("echo 'netlink: Error: cache initialization failed: Protocol not supported' >&2; exit 1", "gives no nftables"),
        ("[[ $* != *--check* ]] || { echo 'Error: syntax error' >&2; exit 1; }; exec /usr/sbin/nft \"$@\"", "refuses"),
    ):
        bare.ok("one", 'printf "#!/bin/bash\\n%s\\n" "$1" >/usr/local/sbin/nft; chmod +x /usr/local/sbin/nft', stand_in)
        with pytest.raises(Failure, match=f"{sentence}.*set firewall.enabled: false and keep everybody else from"):
            bare.closed("one")
        assert bare.ok("one", "rm /usr/local/sbin/nft; /usr/sbin/nft list tables") == ""
    bare.ok("one", "mv /usr/sbin/nft /usr/sbin/nft.away")
    try:
        with pytest.raises(Failure, match="this machine lacks nft, which closes inner ports; install nftables, or set"):
            bare.closed("one")
    finally:
        bare.ok("one", "mv /usr/sbin/nft.away /usr/sbin/nft")


@pytest.mark.long
def test_every_port_before_and_after(bare: Firewalled) -> None:
    def scan() -> list[set[int]]:
        return [bare.seen(name, EVERY_PORT, by=by) for name in ("one", "two") for by in ("", "third")]

    assert scan() == [ALL] * 4
    for name in ("one", "two"):
        bare.closed(name)
    assert scan() == [LEFT] * 4


@pytest.mark.long
def test_ssh_is_never_lost_in_fifty_arms_and_disarms(bare: Firewalled) -> None:
    """A login stays through all of it; each time a new connection comes through, closed and open."""
    with bare.login("one") as echoed:
        for number in range(50):
            bare.closed("one")
            assert bare.seen("one", [SSH, ENGINE]) == {SSH}
            assert echoed(f"closed {number}") == f"closed {number}"
            bare.opened("one")
            assert bare.seen("one", [SSH, ENGINE]) == {SSH, ENGINE}
            assert echoed(f"open {number}") == f"open {number}"


@pytest.mark.long
def test_it_lives_beside_docker_ufw_and_firewalld(bare: Firewalled) -> None:
    """Each begins, is reloaded and ends; theirs stays as it is, and so does ours."""

    def others() -> str:
        """Everybody else's rules, without counters."""
        return bare.ok("one", 'nft -j list ruleset | python3 -c "$1"', STRIPPED)

    install = "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install"
    bare.ok("one", f"{install} docker.io busybox-static ufw >/dev/null")
    bare.ok("one", "mkdir -p i/bin && cp /bin/busybox i/bin/ && tar -C i -c . | docker import - tiny:1")
    bare.ok("one", "docker run -d --name web -p 8081:80 -p 45100:81 tiny:1 /bin/busybox httpd -f -p 80")
    published = {8081, 45100}
    ports = [*sorted(ALL), *sorted(published)]
    before = others()
    bare.closed("one")
    assert others() == before
    # Docker forwards what it publishes, also on an ephemeral port: 81 is a reset by the container itself.
    assert bare.seen("one", ports, by="third") == LEFT | {8081}
    bare.ok("one", "systemctl restart docker && docker start web")
    assert bare.seen("one", ports, by="third") == LEFT | {8081}
    bare.ok(
        "one", "ufw --force enable && ufw allow 22/tcp && ufw allow 8000/tcp && ufw allow from any to any port 6379"
    )
    # What ufw allows is still ours to close, and what it closes it closes.
    assert bare.seen("one", ports, by="third") == {SSH, URL, 8081}
    assert bare.seen("one", [ENGINE], by="two") == {ENGINE}
    bare.ok("one", "ufw reload")  # ufw's first one adds rules of its own
    before = others()
    bare.closed("one")
    assert others() == before
    bare.ok("one", "ufw reload")
    assert others() == before
    assert bare.seen("one", ports, by="third") == {SSH, URL, 8081}
    bare.ok("one", "ufw disable && systemctl disable --now ufw")
    assert bare.seen("one", by="third") == LEFT
    # The distribution's own service begins by flushing all there is.
    for action in ("restart", "reload", "stop", "start"):
        bare.ok("one", f"systemctl {action} nftables")
        assert bare.seen("one", by="third") == LEFT
    bare.ok("one", "systemctl stop docker docker.socket")
    bare.ok("one", f"{install} firewalld >/dev/null && systemctl start firewalld")
    bare.ok("one", "firewall-cmd --add-port=8000/tcp --add-port=6379/tcp && firewall-cmd --runtime-to-permanent")
    assert bare.seen("one", by="third") == {SSH, URL}
    assert bare.seen("one", [ENGINE], by="two") == {ENGINE}
    bare.closed("one")
    bare.ok("one", "firewall-cmd --reload && firewall-cmd --complete-reload")
    assert bare.seen("one", by="third") == {SSH, URL}
    bare.opened("one")
    assert bare.seen("one", by="third") == {SSH, URL, ENGINE}
    bare.ok("one", "systemctl stop firewalld")
    assert bare.seen("one", by="third") == ALL


STRIPPED = f"""
import json, sys
def strip(value):
    if isinstance(value, dict):
        return {{k: strip(v) for k, v in value.items() if k not in ("handle", "counter", "metainfo")}}
    return [strip(each) for each in value] if isinstance(value, list) else value
rules = [strip(each) for each in json.load(sys.stdin)["nftables"]]
ours = {TABLE.split()[1]!r}
print("\\n".join(json.dumps(each) for each in rules if ours not in json.dumps(each)))
"""
