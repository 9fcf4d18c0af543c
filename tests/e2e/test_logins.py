"""How users' machines are reached: sudo with and without a password, an agent, a passphrase, a host between."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.machine import BASE, agent
from components.machine.agent import Failure
from localcloud.machines import Site
from tests.support.logins import PASSPHRASE, PASSWORD, STACK, Logins, running_agent
from tests.support.paths import ROOT
from tests.support.project import Project
from tests.support.scripts import script as script_of

reached = importlib.import_module("probe").reached  # lies beside openssh.py, whose folder the agent has put on the path

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]


@pytest.fixture(scope="module")
def logins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logins]:
    # A sentence that isn't found would be waited for as long as a boot may take.
    agent.ACQUIRE_SECONDS = 20
    folder = tmp_path_factory.mktemp("logins")
    net = f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 256}"
    site = Site(folder / "site", f"tl{os.getpid() % 10**6}", f"{net}.0/24")
    made = Logins(site, folder)
    try:
        made.begin(net)
        yield made
    finally:
        site.destroy_all()


def test_sudo_with_and_without_a_password_and_none_at_all(logins: Logins) -> None:
    """What acquiring says of each login; a wrong password costs one attempt, since machines lock logins after a few."""
    assert "acquired=" in logins.acquired(logins.call())
    assert "acquired=" in logins.acquired(logins.call(sudo_password=PASSWORD)), (
        "sudo asks for none, and it isn't in the way"
    )
    assert "acquired=" in logins.acquired(logins.call(user="ops", sudo_password=PASSWORD))

    given = logins.acquired(logins.call(user="ops"))
    assert "sudo asks this login for a password; give it with `pulumi config set --secret sudoPassword`" in given
    assert "echo 'ops ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/ops" in given
    failures = "journalctl --quiet --identifier=sudo --grep 'ops.*incorrect password' --output=cat | tail -1"
    wrong = logins.acquired(logins.call(user="ops", sudo_password="another"))  # noqa: S106
    assert "sudo refuses the secret sudoPassword" in wrong
    assert "1 incorrect password attempt " in logins.ok("far", failures)
    assert "this login may not become root" in logins.acquired(logins.call(user="guest", sudo_password=PASSWORD))


def test_a_step_runs_as_root_by_a_password_that_nobody_sees(logins: Logins, tmp_path: Path) -> None:
    """Delivered whole behind the password, which is in no process's words and in no file of the machine."""
    script = tmp_path / "step.sh"
    script.write_text(
        '. "$TANDEM_DIR/lib.sh"\n'
        'found=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n" | grep -cFf /root/searched || true)\n'
        'result "who=$(id -un) seen=$found"\n'
    )
    logins.ok("far", 'umask 077; printf %s "$1" >/root/searched', PASSWORD)
    for user, password in (("ops", PASSWORD), ("ubuntu", PASSWORD), ("ubuntu", None)):
        call = logins.call(user=user, sudo_password=password)
        assert logins.step(call, "who", script, {"NOTE": user}) == {"who": "root", "seen": "0"}
    kept = 'rm /root/searched; grep -rlF -- "$1" /var/lib/tandem /home /tmp /var/log 2>/dev/null || true'
    assert logins.ok("far", kept, PASSWORD) == ""


def test_a_key_with_a_passphrase_and_an_agent_open_machines(logins: Logins, tmp_path: Path) -> None:
    locked = logins.locked.read_text()
    assert "acquired=" in logins.acquired(logins.call(private_key=locked, passphrase=PASSPHRASE))
    wrong = logins.acquired(logins.call(private_key=locked, passphrase="another"))  # noqa: S106
    assert "the secret sshKeyPassphrase does not open the private key" in wrong
    with running_agent(tmp_path, logins.locked, passphrase=PASSPHRASE):
        assert "acquired=" in logins.acquired(logins.call(private_key=None))
        assert "acquired=" in logins.acquired(logins.call(private_key=None, **logins.through(private_key=None)))
    with running_agent(tmp_path):
        assert "refuses any key of the running ssh-agent" in logins.acquired(logins.call(private_key=None))


def test_a_host_between_forwards_and_each_failure_names_its_host(logins: Logins) -> None:
    """The machine sees the jump host's address; keys and host keys of both are checked."""
    with logins.ssh(logins.call(**logins.through())) as connection:
        seen = connection.run("echo $SSH_CONNECTION").stdout.split()
    assert (seen[0], seen[2]) == (logins.address("gate"), logins.address("far"))
    assert "acquired=" in logins.acquired(logins.call(user="ops", sudo_password=PASSWORD, **logins.through()))

    unknown = logins.acquired(logins.call(**logins.through(user="nobody")))
    assert f"far: the jump host nobody@{logins.address('gate')}:22: the machine refuses this key" in unknown
    assert "ssh.proxyJump" in unknown
    key = logins.site.machine("far").record.host_key
    assert "far: the jump host hop@" in (other := logins.acquired(logins.call(**logins.through(host_key=key))))
    assert "shows another host key" in other
    key = logins.site.machine("gate").record.host_key
    assert f"far (ubuntu@{logins.address('far')}:22)" in logins.acquired(logins.call(host_key=key, **logins.through()))
    logins.ok("gate", "echo 'AllowTcpForwarding no' >>/etc/ssh/sshd_config && systemctl reload ssh")
    assert "hop@" in (shut := logins.acquired(logins.call(**logins.through())))
    assert "forwards no connections" in shut
    logins.ok("gate", "sed -i '/^AllowTcpForwarding/d' /etc/ssh/sshd_config && systemctl reload ssh")


def test_a_url_is_asked_from_the_host_between(logins: Logins) -> None:
    """Who asks is the jump host, and a failure names the machine's own URL."""
    logins.ok(
        "far",
        "systemd-run --quiet --unit=web --working-directory=/usr/share/common-licenses python3 -m http.server 8000\n"
        "for ((n = 0; n < 100; n++)); do (: </dev/tcp/127.0.0.1/8000) 2>/dev/null && exit; sleep 0.1; done; exit 1",
    )
    url = f"http://{logins.address('far')}:8000"
    target = {"url": url, "through": logins.through()["jump"]}
    with reached(target) as call:
        assert call["url"] != url
        with urllib.request.urlopen(f"{call['url']}/GPL-3", timeout=20) as answer:
            assert b"GENERAL PUBLIC LICENSE" in answer.read()
    assert logins.address("gate") in logins.ok("far", "journalctl --quiet --unit=web --output=cat; systemctl stop web")
    with pytest.raises(Failure, match=rf"^{url} \(asked from {logins.address('gate')}\): no$"), reached(target) as call:
        raise Failure(f"{call['url']}: no")
    with (
        pytest.raises(Failure, match=r"the jump host .*: the machine refuses this key"),
        reached({"url": url, "through": logins.through(user="nobody")["jump"]}),
    ):
        raise AssertionError


def test_docker_is_reached_by_a_login_in_no_group_and_restored(logins: Logins) -> None:
    """The socket of its own, after a reboot too; destroy takes it away, and nobody else could use it."""
    install = "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install docker.io >/dev/null"
    logins.ok("far", install)
    script = Path("components/runtime/files/docker_access.sh").resolve()
    socket = f"/run/{STACK}-docker.sock"
    call = logins.call(user="ops", sudo_password=PASSWORD)
    seen = logins.step(call, "docker-access", script, {"LOGIN": "ops", "SOCKET": socket})
    assert seen["socket"] == socket

    request = f"docker --host unix://{socket} version --format '{{{{.Server.Version}}}}'"
    for user, expected in (("ops", seen["docker"]), ("guest", "")):
        with logins.ssh(logins.call(user=user)) as connection:
            assert connection.run(request).stdout.strip() == expected
            assert connection.run("docker version --format '{{.Server.Version}}'").stdout.strip() == ""
    logins.site.machine("far").reboot()
    logins.site.machine("far").wait_for_ssh()
    logins.ok(
        "far", "for ((n = 0; n < 100; n++)); do systemctl is-active --quiet docker && exit; sleep 0.2; done; exit 1"
    )
    with logins.ssh(call) as connection:
        assert connection.run(request).stdout.strip() == seen["docker"]
        assert connection.run_script(call["scripts"]["cleanup.sh"], STACK, BASE).returncode == 0
    assert logins.ok("far", f"ls -d {socket} /etc/systemd/system/{STACK}* /var/lib/tandem 2>/dev/null || true") == ""
    assert logins.ok("far", f"systemctl list-units --all --no-legend '{STACK}*'") == ""


@pytest.mark.engine
def test_pulumi_works_through_all_of_it_at_once(logins: Logins, tmp_path: Path) -> None:
    """A host between, the agent's key, sudo's password, Docker without its group: up, up again, destroy."""
    logins.ok("far", "DEBIAN_FRONTEND=noninteractive apt-get -qq install docker.io busybox-static >/dev/null")
    logins.ok("far", "mkdir -p i/bin && cp /bin/busybox i/bin/sleep && tar -C i -c . | docker import - tiny:1")
    logins.site.shares.create("share", ["nas:/share"])
    known = tmp_path / "known_hosts"
    known.write_text(logins.site.known_hosts)
    project = Project.make(tmp_path / "project")
    for part in ("components", "stacks", "planner"):
        (project.directory / part).symlink_to(ROOT / part)
    shutil.copy(Path(__file__).with_name("logins_program") / "__main__.py", project.directory)
    config = {
        "platform": "hosts",
        "machines": [{"name": "far", "address": logins.address("far")}],
        "ssh": {
            "user": "ops",
            "agent": True,
            "knownHostsFile": str(known),
            "proxyJump": f"hop@{logins.address('gate')}:22",
        },
        "accelerator": {"kind": "cpu"},
        "model": {"source": "path", "id": "m"},
        "storage": {"server": "nas", "export": "/share"},
        "serving": {"tensorParallelSize": 1, "executor": "mp"},
    }
    for name, value in config.items():
        project.pulumi("config", "set", f"tandem:{name}", value if isinstance(value, str) else json.dumps(value))
    project.pulumi("config", "set", "--secret", "tandem:sudoPassword", PASSWORD)
    with running_agent(tmp_path, logins.locked, passphrase=PASSPHRASE):
        made = project.up()
        assert set(made) == {"create"}
        running = logins.ok("far", "docker ps --no-trunc --quiet --filter label=tandem.stack=tandem-logins")
        assert running == project.outputs()["container"]
        assert project.up() == {"same": made["create"]}
        assert PASSWORD not in project.files()
        assert json.dumps(PASSWORD)[1:-1] not in project.files()
        project.pulumi("destroy", "--yes", "--skip-preview")
    assert logins.ok("far", "docker ps --all --quiet") == ""
    assert (
        logins.ok("far", f"ls -d /run/{STACK}* /etc/systemd/system/{STACK}* /var/lib/tandem 2>/dev/null || true") == ""
    )


def test_a_machine_gets_another_host_key_once(logins: Logins) -> None:
    """The last test here: from then on `far` shows that one, and the key that it was made with is refused."""
    own = json.loads(agent.host_keys())["own"]
    made = logins.call()
    new = {"first_host_key": made["host_key"], "own_host_key": own["private"], "host_key": own["public"]}
    call = {**made, **new, "replace_host_key": script_of("replace_host_key.sh").read_text()}
    for _ in range(2):  # the second as after an `up` that was cut off
        with logins.ssh(call) as connection:
            assert "acquired=" in agent.acquire_new(connection)
    assert "the machine shows another host key than the one known for it" in logins.acquired(made)
    assert "acquired=" in logins.acquired(call)
    # An update never goes back to the first one, whoever may have read it.
    other = json.loads(agent.host_keys())["own"]["public"]
    assert "the machine shows another host key" in logins.acquired({**call, "host_key": other})
