"""Real machines: what they can do, what they survive, and that nothing of them is left."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcloud.errors import LocalCloudError
from localcloud.machines import Site
from localcloud.system.processes import ProcessRecord, wait_until

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="machines need root")]

REPOSITORY = Path(__file__).parents[2]
# A network of this process alone, so that two runs on one host do not meet.
NET = f"10.{100 + os.getpid() % 50}.{os.getpid() // 50 % 256}"
ONE, TWO = f"{NET}.11", f"{NET}.12"
BOOT_SECONDS = 10.0


@dataclass
class Bench:
    """A site with the machines `one` (1 CPU, 1 GiB, a read-only folder of the host) and `two`."""

    site: Site
    boot_seconds: float

    def ssh(self, address: str, command: str, stdin: str = "", user: str = "root") -> subprocess.CompletedProcess[str]:
        known = self.site.state_dir / "known_hosts"
        known.write_text(self.site.known_hosts)
        strict = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
        return subprocess.run(
            ["ssh", "-i", self.site.key, *strict, "-o", "ConnectTimeout=5", f"{user}@{address}", command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def ok(self, address: str, command: str, stdin: str = "", user: str = "root") -> str:
        done = self.ssh(address, command, stdin, user)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


def cli(state: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "localcloud", "machines", "--state", state, *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
        check=check,
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bridge, subnet = f"tmt{os.getpid() % 10**6}", f"{NET}.0/24"
    site = Site(tmp_path_factory.mktemp("site"), bridge, subnet)
    shown = tmp_path_factory.mktemp("shown")
    (shown / "hello").write_text("from the host")
    try:
        site.create_network("default", bridge, subnet)  # the images are made here, not in the measured time
        begin = time.monotonic()
        one = site.create("one", ONE, cpus=1, memory_mib=1024, binds_ro=[f"{shown}:/opt/shown"])
        one.wait_for_ssh()
        seconds = time.monotonic() - begin
        site.create("two", TWO).wait_for_ssh()
        yield Bench(site, seconds)
    finally:
        site.destroy_all()


def test_a_machine_is_reached_by_ssh_within_ten_seconds_of_its_creation(bench: Bench) -> None:
    assert bench.boot_seconds <= BOOT_SECONDS


def test_machines_have_names_and_addresses_of_their_own_and_reach_each_other(bench: Bench) -> None:
    """SSH from one to two, with the host key that the site states and the site's key carried over."""
    bench.ok(ONE, "umask 077; cat > key", bench.site.key.read_text())
    bench.ok(ONE, "cat > .ssh/known_hosts", bench.site.known_hosts)
    seen = bench.ok(ONE, f"ssh -i key -o BatchMode=yes root@{TWO} 'hostname; echo \"$SSH_CONNECTION\"'").split()
    assert seen[0] == "two"
    assert (seen[1], seen[3]) == (ONE, TWO)


def test_a_machine_is_bare_and_healthy(bench: Bench) -> None:
    """Real systemd with no failed unit, and nothing of the host: no Docker, no pip, no file of this repository."""
    assert bench.ok(ONE, "systemctl is-system-running --wait") == "running"
    assert bench.ssh(ONE, "command -v docker pip gcc").returncode != 0
    assert bench.ssh(ONE, f"ls {REPOSITORY}").returncode != 0


def test_the_second_user_becomes_root_by_sudo(bench: Bench) -> None:
    assert bench.ok(TWO, "sudo -n id -u; id -un", user="ubuntu").split() == ["0", "ubuntu"]


def test_a_bound_folder_is_seen_and_cannot_be_written(bench: Bench) -> None:
    assert bench.ok(ONE, "cat /opt/shown/hello") == "from the host"
    assert "Read-only" in bench.ssh(ONE, "touch /opt/shown/mine").stderr


def test_limits_hold(bench: Bench) -> None:
    """The CPU count is the limit's; a process that takes more memory than the limit is killed, and nothing else."""
    assert bench.ok(ONE, "nproc") == "1"
    assert bench.ok(ONE, "python3 -c 'bytearray(2 * 1024**3).count(1)'; echo $?") == "137"
    assert bench.ok(ONE, "python3 -c 'print(len(bytearray(2**28)))'") == str(2**28)


def test_kernel_values_set_in_a_machine_are_read_back_there_and_leave_the_host_alone(bench: Bench) -> None:
    host = Path("/proc/sys/vm/max_map_count").read_text()
    bench.ok(ONE, "sysctl -w vm.max_map_count=1234567 net.core.somaxconn=1234")
    assert bench.ok(ONE, "sysctl -n vm.max_map_count net.core.somaxconn").split() == ["1234567", "1234"]
    assert Path("/proc/sys/vm/max_map_count").read_text() == host


@pytest.fixture(scope="module")
def with_docker(bench: Bench) -> str:
    """The address of `two`, with Docker from the mirror and an image of one small program."""
    bench.ok(TWO, "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install docker.io busybox-static")
    bench.ok(TWO, "mkdir -p i/bin && cp /bin/busybox i/bin/ && ln -s busybox i/bin/ip")
    bench.ok(TWO, "tar -C i -c . | docker import - tiny:1")
    return TWO


def test_docker_runs_containers_on_the_machines_own_network_and_on_a_bridge(bench: Bench, with_docker: str) -> None:
    run = "docker run --rm --ipc=host --shm-size 1g --network host tiny:1 /bin/ip -o -4 address show eth0"
    assert f" {with_docker}/24 " in bench.ok(with_docker, run)
    limited = "docker run --rm --memory 64m --cpus 0.5 tiny:1 /bin/ip -o -4 address"
    assert "172.17.0.2" in bench.ok(with_docker, limited)


TRAP = """
import subprocess
from localcloud.machines.network import bridge_down, bridge_up
from localcloud.machines.records import NetworkRecord

def ip(words):
    subprocess.run(["ip", *words.split()], check=True)

def reached():
    return subprocess.run("ip netns exec a ping -q -c1 -W1 198.18.0.3".split(), stdout=-3).returncode == 0

network = NetworkRecord("trap", "trap0", "198.18.0.0/24", "198.18.0.1")
bridge_up(network, "trap")
for name, last in (("a", 2), ("b", 3)):
    ip(f"netns add {name}")
    ip(f"link add v{name} type veth peer name eth0 netns {name}")
    ip(f"link set v{name} master trap0 up")
    ip(f"-n {name} address add 198.18.0.{last}/24 dev eth0")
    ip(f"-n {name} link set eth0 up")
with_rule = reached()
subprocess.run("iptables -D FORWARD -i trap0 -o trap0 -j ACCEPT".split(), check=True)
without_rule = reached()
subprocess.run("iptables -I FORWARD -i trap0 -o trap0 -j ACCEPT".split(), check=True)
bridge_down(network, "trap")
for name in "ab":
    ip(f"netns delete {name}")
rules = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True).stdout
print(with_rule, without_rule, "trap0" in rules)
"""


def test_a_host_whose_docker_drops_bridged_packets_still_carries_those_of_machines(
    bench: Bench, with_docker: str
) -> None:
    """Our bridge on a host with Docker and br_netfilter, played by a machine: without our rule nothing passes."""
    parts = [f"localcloud/{part}" for part in ("__init__.py", "errors.py", "machines", "system")]
    argv: list[str | Path] = ["tar", "-C", REPOSITORY, "-c", "--exclude=__pycache__", *parts]
    package = subprocess.run(argv, check=True, capture_output=True).stdout
    bench.ok(with_docker, "base64 -d | tar x", base64.b64encode(package).decode())
    bench.ok(with_docker, "sysctl -w net.bridge.bridge-nf-call-iptables=1")
    assert bench.ok(with_docker, "iptables -S FORWARD").startswith("-P FORWARD DROP")
    assert bench.ok(with_docker, "python3 -", TRAP) == "True False False"


def test_two_machines_share_a_folder_by_nfs_with_the_true_mount_command(bench: Bench) -> None:
    """By mount(8), by fstab after nfs-common is installed, with subfolders; and the folder is the host's."""
    folder = bench.site.shares.create("weights", exports=["nas.example:/vol/w"])
    (folder / "sub").mkdir()
    gateway = bench.site.network().gateway
    bench.ok(ONE, f"mkdir -p /mnt/w && mount -t nfs -o vers=3,nolock,noresvport {gateway}:/weights /mnt/w")
    bench.ok(ONE, "echo hello > /mnt/w/sub/file")
    bench.ok(TWO, "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install nfs-common")
    bench.ok(TWO, "mkdir -p /mnt/w && echo 'nas.example:/vol/w/sub /mnt/w nfs vers=4.0,ro,_netdev 0 0' >> /etc/fstab")
    bench.ok(TWO, "systemctl daemon-reload && systemctl start mnt-w.mount")
    assert bench.ok(TWO, "cat /mnt/w/file") == "hello" == (folder / "sub" / "file").read_text().strip()
    assert "Read-only" in bench.ssh(TWO, "touch /mnt/w/mine").stderr
    bench.ok(TWO, "umount /mnt/w && ! mountpoint -q /mnt/w")
    assert bench.ssh(TWO, "systemctl --failed --no-legend").stdout == ""


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        ("{gateway}:/nothing", "vers=4.0", "No such file or directory"),
        ("{gateway}:/closed", "vers=4.0", "access denied by server while mounting"),
        ("nobody.example:/x", "vers=4.0", "Failed to resolve server nobody.example"),
        ("{other}:/x", "vers=4.0", "Connection refused"),
        ("{gateway}:/closed", "bogus=1", "an incorrect mount option was specified"),
    ],
)
def test_a_mount_that_a_server_would_refuse_ends_with_its_words_and_code_32(
    bench: Bench, source: str, options: str, says: str
) -> None:
    bench.site.shares.create("closed", clients=["192.0.2.0/24"])
    source = source.format(gateway=bench.site.network().gateway, other=TWO)
    done = bench.ssh(ONE, f"mkdir -p /mnt/x && mount -t nfs -o {options} {source} /mnt/x")
    assert done.returncode == 32
    assert says in done.stderr


def test_a_reboot_from_inside_keeps_address_and_disk(bench: Bench) -> None:
    before = bench.ok(TWO, "touch /root/kept; cat /proc/sys/kernel/random/boot_id")
    bench.ssh(TWO, "systemctl reboot")
    machine = bench.site.machine("two")
    assert wait_until(lambda: machine.facts()["boots"] == 2, 60)
    machine.wait_for_ssh()
    assert bench.ok(TWO, "ls /root/kept; cat /proc/sys/kernel/random/boot_id").split()[1] != before


def test_a_reboot_from_outside_and_a_stop_and_start_keep_address_and_disk(bench: Bench) -> None:
    machine = bench.site.machine("one")
    bench.ok(ONE, "touch /root/kept")
    machine.reboot()
    machine.wait_for_ssh()
    machine.stop()
    assert machine.facts()["state"] == "stopped"
    bench.site.start("one")
    machine.wait_for_ssh()
    assert bench.ok(ONE, "ls /root/kept") == "/root/kept"


def test_poweroff_from_inside_leaves_it_stopped(bench: Bench) -> None:
    bench.ssh(ONE, "systemctl poweroff")
    machine = bench.site.machine("one")
    assert wait_until(lambda: not machine.running, 60)
    bench.site.start("one")
    machine.wait_for_ssh()


def test_a_pulled_cable_cuts_all_until_it_is_back(bench: Bench) -> None:
    """Also over a reboot, and for NFS mounts; the machine itself goes on."""
    machine = bench.site.machine("two")
    leader = machine.facts()["leader"]
    machine.unplug()
    assert bench.ssh(ONE, f"ping -c1 -W1 {TWO}").returncode != 0
    assert bench.ssh(TWO, "true").returncode == 255
    assert machine.running
    assert machine.facts()["leader"] == leader
    machine.reboot()
    assert bench.ssh(ONE, f"ping -c1 -W1 {TWO}").returncode != 0
    machine.plug()
    machine.wait_for_ssh()
    bench.ok(ONE, f"ping -c1 -W2 {TWO}")


@pytest.mark.parametrize("way", ["kill command", "kill -9 of the supervisor"])
def test_a_power_cut_ends_everything_in_the_machine_and_it_starts_again(bench: Bench, way: str) -> None:
    machine = bench.site.machine("one")
    leader = ProcessRecord.of("leader", machine.facts()["leader"])
    bench.ok(ONE, "echo synced > /root/disk; sync")
    if way == "kill command":
        machine.kill()
    else:
        ProcessRecord.load(machine.paths.supervisor).signal(9)
    assert wait_until(lambda: not leader.alive(), 60)
    assert machine.facts()["state"] == "stopped"
    bench.site.start("one")
    machine.wait_for_ssh()
    assert bench.ok(ONE, "cat /root/disk") == "synced"


def test_what_a_reboot_of_the_host_takes_away_is_made_again_at_the_next_start(bench: Bench) -> None:
    """Bridge, namespaces, package mirror: another process that knows only the state folder starts the machines."""
    machines = bench.site.machines
    for machine in machines:
        machine.kill()
        subprocess.run(["ip", "netns", "delete", machine.paths.netns], check=True)
    subprocess.run(["ip", "link", "delete", bench.site.network().bridge], check=True)
    ProcessRecord.load(bench.site.state_dir / "networks/.default.mirror").signal(9)
    cli(bench.site.state_dir, "start", "--all")
    bench.ok(ONE, f"ping -c1 -W2 {TWO} && apt-get -qq update")


def test_a_killed_sites_bridge_gives_way_and_a_living_ones_does_not(bench: Bench, tmp_path: Path) -> None:
    """Its processes went and its links stayed: another site may have its name and subnet, and it comes back after."""
    pid = os.getpid()
    bridge, subnet = f"tmw{pid % 10**6}", f"10.{150 + pid % 50}.{pid // 50 % 256}"
    killed = Site(tmp_path / "killed", bridge, f"{subnet}.0/24")
    after = Site(tmp_path / "after", bridge, f"{subnet}.0/25")
    elsewhere = Site(tmp_path / "elsewhere", f"{bridge}b", f"{subnet}.0/25")
    try:
        machine = killed.create("gone", f"{subnet}.5")
        with pytest.raises(LocalCloudError, match="belongs to something else"):
            after.create_network("default", bridge, f"{subnet}.0/25")
        with pytest.raises(LocalCloudError, match="overlaps"):
            elsewhere.create_network("default", f"{bridge}b", f"{subnet}.0/25")
        machine.kill()
        with pytest.raises(LocalCloudError, match="belongs to something else"):
            after.create_network("default", bridge, f"{subnet}.0/25")
        ProcessRecord.load(killed.state_dir / "networks/.default.mirror").signal(9)
        after.create_network("default", bridge, f"{subnet}.0/25")
        assert not Path("/run/netns", machine.paths.netns).exists()
        ProcessRecord.load(after.state_dir / "networks/.default.mirror").signal(9)
        elsewhere.create_network("default", f"{bridge}b", f"{subnet}.0/25")
        elsewhere.destroy_all()
        killed.start("gone")
        machine.wait_for_ssh()
    finally:
        for site in (elsewhere, after, killed):
            site.destroy_all()
    assert not left_of((bridge, str(tmp_path)))


def test_machines_of_different_networks_do_not_reach_each_other_nor_the_outside(bench: Bench) -> None:
    """The host forwards nothing from the bridges; two networks of a site may use the same last numbers."""
    third, fourth = NET.split(".")[1:]
    subnet = f"10.{int(third) + 100}.{fourth}"
    bench.site.create_network("other", f"tmu{os.getpid() % 10**6}", f"{subnet}.0/24")
    bench.site.create("far", f"{subnet}.11", network="other").wait_for_ssh()
    assert bench.ok(f"{subnet}.11", "hostname") == "far"
    assert bench.ssh(f"{subnet}.11", f"ping -c1 -W1 {ONE}").returncode != 0
    assert bench.ssh(f"{subnet}.11", "ping -c1 -W1 192.0.2.1").returncode != 0
    with pytest.raises(LocalCloudError, match="destroy far first"):
        bench.site.destroy_network("other")
    bench.site.machine("far").destroy()
    bench.site.destroy_network("other")


def test_many_are_created_at_once_by_the_command_and_listed(bench: Bench) -> None:
    state = bench.site.state_dir
    names = {f"m{n}": f"{NET}.{30 + n}" for n in range(3)}
    with ThreadPoolExecutor() as pool:
        made = pool.map(lambda name: cli(state, "create", name, "--address", names[name]), names)
        assert all(f"root@{names[name]}" in done.stdout for name, done in zip(names, made, strict=True))
    listed = {m["name"]: m for m in json.loads(cli(state, "list", "--json").stdout)}
    assert {name: listed[name]["address"] for name in names} == names
    assert {listed[name]["state"] for name in names} == {"running"}
    assert cli(state, "ssh", "m0", "hostname").stdout.strip() == "m0"
    cli(state, "destroy", *names)
    assert not names.keys() & {m["name"] for m in json.loads(cli(state, "list", "--json").stdout)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create", "one", "--address", f"{NET}.99"), "Machine one exists"),
        (("create", "new", "--address", ONE), "belongs to machine one"),
        (("create", "new", "--address", "192.0.2.1"), "is not in"),
        (("create", "New_", "--address", f"{NET}.99"), "no host name"),
        (("create", "new", "--address", f"{NET}.99", "--bind-ro", "/nowhere:/x"), "does not have"),
        (("start", "nobody"), "There is no machine nobody"),
        (("network", "create", "x", "--bridge", "lo", "--subnet", "198.51.100.0/24"), "belongs to something else"),
        (("network", "create", "x", "--bridge", "tmx0", "--subnet", f"{NET}.0/25"), "overlaps"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_and_leaves_nothing(
    bench: Bench, words: tuple[str, ...], says: str
) -> None:
    done = cli(bench.site.state_dir, *words, check=False)
    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert {machine.paths.name for machine in bench.site.machines} == {"one", "two"}


def test_destroy_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    """A second site beside the first: no namespace, link, mount, control group, process or file of it is left."""
    pid = os.getpid()
    bridge, subnet = f"tmv{pid % 10**6}", f"10.{50 + pid % 50}.{pid // 50 % 256}"
    site = Site(tmp_path / "site", bridge=bridge, subnet=f"{subnet}.0/24")
    machine = site.create("gone", f"{subnet}.5")
    machine.wait_for_ssh()
    facts = machine.facts()
    marks = (str(tmp_path / "site"), machine.paths.id, bridge)
    assert left_of(marks), "the check sees a machine that is there"
    site.destroy_all()
    assert wait_until(lambda: not left_of(marks), 60), left_of(marks)
    assert not Path(f"/proc/{facts['leader']}/root").exists()
    assert not (tmp_path / "site").exists()
    assert bench.site.machine("one").running


def left_of(marks: tuple[str, ...]) -> list[str]:
    """Every line about this host that names one of the marks."""
    commands = (["ip", "netns"], ["ip", "-br", "link"], ["ps", "-eo", "args"], ["cat", "/proc/mounts"])
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for command in commands]
    lines = [line for text in said for line in text.splitlines()]
    lines += [str(folder) for folder in Path("/sys/fs/cgroup").glob("*/tandem/*")]
    lines += [str(folder) for folder in Path("/run/systemd/nspawn").rglob("*")]
    return [line for line in lines if any(mark in line for mark in marks)]
