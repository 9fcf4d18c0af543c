"""How machines are reached, as settings say it: refused where it can't be, and handed to all three kinds of SSH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components.machine import Installation
from stacks.load_settings import parse
from stacks.platforms import hosts, keys
from stacks.platforms.known_hosts import KnownHosts
from stacks.settings.errors import SettingsError
from tests.support.settings import refusal, values

TWO: list[dict[str, object]] = [{"name": "a", "address": "10.0.0.1"}, {"name": "b", "address": "10.0.0.2"}]
ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPlain"


def machines(**first: object) -> list[dict[str, object]]:
    return [{**TWO[0], **first}, TWO[1]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ssh": {"user": "-oProxyCommand=touch /tmp/x", "privateKeyFile": "k"}}, "ssh.user: begins with a dash"),
        ({"ssh": {"user": "a b", "privateKeyFile": "k"}}, "is no login name"),
        ({"ssh": {"user": "root\n", "privateKeyFile": "k"}}, "ssh.user: holds a line end"),
        ({"ssh": {}}, "ssh: privateKeyFile: is missing"),
        ({"ssh": {"agent": True, "privateKeyFile": "k"}}, "ssh-add k"),
        ({"ssh": {"privateKeyFile": "k", "proxyJump": "one,two"}}, "ssh.proxyJump: names several hosts"),
        ({"ssh": {"privateKeyFile": "k", "proxyJump": "ops@bastion:ssh"}}, "ssh.proxyJump: 'ssh' is no port"),
        ({"ssh": {"privateKeyFile": "k", "proxyJump": "-oX=y@bastion"}}, "begins with a dash"),
        ({"ssh": {"privateKeyFile": "k", "proxyJump": "bastion:0"}}, "ssh.proxyJump.port"),
        ({"ssh": {"privateKeyFile": "k", "proxyJump": "ops@[fd00::9]:22"}}, "ssh.proxyJump.address"),
        ({"ssh": {"agent": True, "proxyJump": {"address": "b", "privateKeyFile": "k"}}}, "take it out"),
        ({"machines": machines(address="-oX=y")}, "begins with a dash, as options of programs do"),
        ({"machines": machines(address="root@10.0.0.1")}, "without user, port or blanks"),
        ({"machines": machines(address="fd00:20::1")}, "machines[0].address: fd00:20::1 is an IPv6 address"),
        ({"machines": machines(address="[fd00:20::1]")}, "is an IPv6 address"),
        ({"machines": machines(privateAddress="fe80::1%eth0")}, "machines[0].privateAddress: fe80::1%eth0 is an IPv6"),
        ({"storage": {"server": "fd00::5"}}, "storage.server: fd00::5 is an IPv6 address"),
        ({"machines": machines(nic="eth0; reboot")}, "machines[0].nic"),
        ({"machines": machines(hcas=["mlx5_0 "])}, "machines[0].hcas[0]"),
        ({"machines": machines(hcas=["mlx5_0"])}, "a's hcas are RDMA devices for NCCL, and accelerator.kind is cpu"),
    ],
)
def test_what_no_machine_is_reached_by_is_refused(changes, expected):
    assert expected in refusal(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gateway": {"port": 22}}, "gateway.port: 22 is where the machines' SSH listens"),
        ({"machines": machines(port=2222), "gateway": {"port": 2222}}, "gateway.port: 2222 is where"),
        ({"gateway": {"port": 29400}}, "serving.groupPort: the supervisors of a group (29400) and the URL"),
        ({"serving": {"tensorParallelSize": 2, "executor": "mp", "port": 29501}}, "set serving.enginePort to 29601"),
        ({"serving": {"tensorParallelSize": 2, "executor": "mp", "rayWorkerPorts": "20000-20050"}}, "not a hundred"),
        ({"serving": {"tensorParallelSize": 2, "executor": "mp", "rayWorkerPorts": "x"}}, "serving.rayWorkerPorts"),
    ],
)
def test_two_that_want_one_port_are_refused(changes, expected):
    assert expected in refusal(**changes)


SPLIT = {"tensorParallelSize": 2, "executor": "ray"}
RAY = {"images": {"engine": "registry/vllm-with-ray:1"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"gateway": {"port": 6379}}, "serving.rayPort: Ray's services (6379-6386) and the URL (gateway.port, 6379)"),
        ({"gateway": {"port": 10500}}, "set serving.rayWorkerPorts to 10502-11499"),
        ({"serving": {**SPLIT, "rayPort": 9998}}, "serving.rayWorkerPorts: Ray's workers"),
        ({"serving": {**SPLIT, "rayPort": 65530}}, "65530-65537, and ports end at 65535"),
    ],
)
def test_rays_ports_count(changes, expected):
    assert expected in refusal(**{"serving": SPLIT, **RAY, **changes})


def test_a_jump_host_is_set_in_two_ways_and_may_be_left_out_for_a_machine():
    jump = parse(values(ssh={"privateKeyFile": "k", "proxyJump": "ops@bastion.example:2222"})).ssh.proxy_jump
    assert jump
    assert (jump.user, jump.address, jump.port) == ("ops", "bastion.example", 2222)
    assert (
        parse(values(ssh={"privateKeyFile": "k", "proxyJump": jump.model_dump(by_alias=True)})).ssh.proxy_jump == jump
    )
    bare = parse(values(ssh={"privateKeyFile": "k", "proxyJump": "bastion"})).ssh.proxy_jump
    assert bare
    assert (bare.user, bare.address, bare.port) == (None, "bastion", 22)


@pytest.fixture
def reached(tmp_path, monkeypatch):
    """A function from settings to machines, with a key and known hosts of the test's own."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key, known = tmp_path / "key", tmp_path / "known_hosts"
    key.write_text("PRIVATE")
    known.write_text("".join(f"{name} {ED}\n" for name in ("10.0.0.1", "10.0.0.2", "[10.9.9.9]:2222")))

    def of(machines=TWO, hosts_file: str | None = None, **ssh):
        if hosts_file is not None:
            known.write_text(hosts_file)
        ssh = {"privateKeyFile": str(key), "knownHostsFile": str(known), **ssh}
        settings = parse(values(machines=machines, ssh={k: v for k, v in ssh.items() if v is not None}))
        return hosts.machines(settings, "tandem-t", Installation())

    return of


def test_a_jump_host_reaches_all_three_kinds_of_ssh(reached, tmp_path):
    """Pulumi's commands by `proxy`, our own by `jump`, Docker by a ProxyCommand with the same key and host keys."""
    first, second = reached([{**TWO[0], "proxyJump": "none"}, TWO[1]], proxyJump="ops@10.9.9.9:2222")
    assert first.jump is None
    assert "ProxyCommand" not in " ".join(map(str, first.ssh_options))
    assert second.jump
    assert (second.jump.user, second.jump.port, second.jump.host_key) == ("ops", 2222, ED)
    proxy = second.connection().proxy
    assert (proxy.host, proxy.port, proxy.user, proxy.host_key) == ("10.9.9.9", 2222, "ops", ED)
    assert second.facts()["jump"]["host"] == "10.9.9.9"
    through = str(second.ssh_options[-1])
    assert through.startswith(f"ProxyCommand=ssh -F none -i {tmp_path}/key ")
    assert through.endswith("-p 2222 -l ops -W '[%h]:%p' -- 10.9.9.9")


def test_a_jump_host_that_is_not_known_is_refused(reached):
    with pytest.raises(SettingsError, match=r"no key for the jump host \(10\.9\.9\.8\).*ssh-keyscan"):
        reached(proxyJump="ops@10.9.9.8")


@pytest.mark.parametrize("kind", ["ssh-rsa AAAA", "ssh-dss AAAA"])
def test_a_host_key_that_cannot_be_pinned_is_refused_with_the_way_to_another(reached, kind):
    with pytest.raises(
        SettingsError, match=r"holds only a key of type ssh-.*for a \(10\.0\.0\.1\).*ssh-keyscan -t ed25519"
    ):
        reached(hosts_file=f"10.0.0.1 {kind}\n10.0.0.2 {kind}\n")
    ecdsa = "ecdsa-sha2-nistp384 AAAA"
    made = reached(hosts_file=f"10.0.0.1 {kind}\n10.0.0.1 {ecdsa}\n10.0.0.2 {kind}\n10.0.0.2 {ED}\n")
    assert [machine.host_key for machine in made] == [ecdsa, ED]


def test_brackets_in_a_pattern_are_no_set_of_letters():
    known = KnownHosts(f"[10.0.0.*]:2222 {ED}\n")
    assert known.key("10.0.0.7", 2222) == ED
    assert known.key("1", 22) is None


def test_an_agent_that_is_not_there_is_reported_before_anything(reached, tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match=r"ssh\.agent: no ssh-agent runs in this shell"):
        reached(agent=True, privateKeyFile=None)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    with pytest.raises(SettingsError, match=r"SSH_AUTH_SOCK: no SSH agent answers at .*/gone"):
        reached(agent=True, privateKeyFile=None)


def test_the_agents_keys_are_used_and_an_empty_one_is_reported(reached, tmp_path, monkeypatch):
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        with pytest.raises(SettingsError, match=r"ssh\.agent: the running ssh-agent holds no key.*ssh-add FILE"):
            reached(agent=True, privateKeyFile=None)
        make_key(tmp_path / "real")
        subprocess.run(["ssh-add", "-q", str(tmp_path / "real")], check=True)
        (machine, _) = reached(agent=True, privateKeyFile=None)
        assert machine.private_key is None
        assert machine.connection().private_key is None
        assert "-i" not in machine.ssh_options
    finally:
        agent.terminate()
        agent.wait()


def make_key(file: Path, passphrase: str = "", *more: str) -> None:
    words = ["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", passphrase, "-f", str(file), *more]
    subprocess.run(words, check=True, env={**os.environ, "SSH_ASKPASS": "/bin/false"})


@pytest.mark.parametrize("form", [(), ("-m", "PEM"), ("-m", "PKCS8")])
def test_a_passphrase_is_seen_in_every_form_of_key(tmp_path, form):
    make_key(tmp_path / "plain", "", *form)
    make_key(tmp_path / "locked", "opens it", *form)
    assert not keys.has_passphrase((tmp_path / "plain").read_text())
    assert keys.has_passphrase((tmp_path / "locked").read_text())


def test_keys_that_no_ssh_can_use_are_reported_at_preview(reached, tmp_path):
    make_key(tmp_path / "locked", "opens it")
    with pytest.raises(SettingsError, match=r"ssh\.privateKeyFile: .*/locked has a passphrase; load it into an agent"):
        reached(privateKeyFile=str(tmp_path / "locked"))
    with pytest.raises(SettingsError, match=r"locked\.pub is a public key; name the private one, .*/locked$"):
        reached(privateKeyFile=str(tmp_path / "locked.pub"))
    (tmp_path / "key.ppk").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    with pytest.raises(SettingsError, match="puttygen"):
        reached(privateKeyFile=str(tmp_path / "key.ppk"))
