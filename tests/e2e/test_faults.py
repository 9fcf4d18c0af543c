"""Faults of remote work and of the weights, on one real machine with the real engine.

One stack is changed step by step, so the tests run in this order. Each fault ends in success or in one sentence with
cause and remedy, as the user reads it in what `pulumi up` prints.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from localcloud.depot import daemon
from localcloud.fixtures import ensure_model
from tests.support.deployment import ANSI, Deployment, Run
from tests.support.paths import ROOT
from tests.support.waiting import until

pytestmark = [pytest.mark.root, pytest.mark.engine]

NODE, STACK, MOUNT = "node-0", "tandem-steps", "/mnt/tandem"
BIG, GATED, TOKEN = "tandem/big", "tandem/gated", "hub-token-4c1f9be07d"
SHARD = "model-00001-of-00002.safetensors"
SLOW = """. "$TANDEM_DIR/lib.sh"
echo run >>/root/runs
status "at the gate"
until [[ -f $GATE ]]; do sleep 0.2; done
result gate="$GATE"
"""
# Held as apt holds it, until the file `released` appears.
HOLDER = (
    "import fcntl, os, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); "
    "open('/run/held', 'w')\nwhile not os.path.exists('/run/released'): time.sleep(0.1)"
)


class Faults(Deployment):
    """One machine, a stack of `steps_program` on it, and a hub that fails on request."""

    def __init__(self, folder: Path) -> None:
        program = folder / "program"
        shutil.copytree(Path(__file__).with_name("steps_program"), program)
        for part in ("components", "stacks", ".venv"):
            (program / part).symlink_to(ROOT / part)
        self.hub = folder / "hub"
        super().__init__(folder, "tandemf", "10.92.0.0/24", [NODE], program)

    def _begin(self, names: list[str], **made: Any) -> None:
        super()._begin(names, **made)
        self.small = ensure_model()
        self.big = ensure_model(48)
        self.before: dict[str, str] = {}
        listen = f"{self.site.network().gateway}:8602"
        models = {"tandem/tiny-qwen2": self.small, GATED: self.small, BIG: self.big}
        self.url = daemon.start(self.hub, listen, models=models, tokens={GATED: TOKEN}).url
        self.environment |= {
            "TANDEM_ACQUIRE_SECONDS": "90",
            "TANDEM_CLEANUP_SECONDS": "3",
            "TANDEM_LOST_SECONDS": "120",
        }
        record = self.machine(NODE).record
        ssh = {"address": record.address, "key": str(self.site.key), "hostKey": record.host_key}
        self.config = {"ssh": ssh, "storage": {"server": "nas", "export": "/share", "mountPoint": MOUNT}}
        self.config |= {"step": {}, "weights": {}, "cleanup": {}}
        self.share = self.folder / "machines/nfs/shares/share"

    def close(self) -> None:
        daemon.stop(self.hub)
        super().close()

    def step(self, gate: str, name: str = "slow", **options: object) -> dict[str, object]:
        """A step that waits for a file on the machine."""
        script = self.folder / "slow.sh"
        script.write_text(SLOW)
        return {"name": name, "script": str(script), "environment": {"GATE": gate}, "long": True, **options}

    def weights(self, model: str = BIG, source: str = "huggingface", **options: object) -> dict[str, object]:
        """Settings of weights from the hub of this test."""
        return {
            "source": source,
            "id": model,
            "endpoint": f"{self.url}/{'hf' if source == 'huggingface' else source}",
            **options,
        }

    def secret_file(self, text: str) -> str:
        """A file with a secret, away from what Pulumi writes."""
        path = self.folder / "secret"
        path.write_text(text)
        return str(path)

    def fetch(self, **options: Any) -> Run:
        """`up` with the machine prepared and these weights."""
        return self.up(prepare=True, weights=self.weights(**options))

    def fault(self, **order: object) -> None:
        """Tells the hub what goes wrong next; nothing clears."""
        body = json.dumps(order).encode() if order else b""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(urllib.request.Request(f"{self.url}/depot/faults", body, method="POST"), timeout=60).close()

    def requests(self, since: int = 0) -> list[dict[str, object]]:
        """The hub's journal of the first shard, from a line on."""
        lines = (self.hub / "requests.jsonl").read_text().splitlines()[since:]
        return [r for r in map(json.loads, lines) if SHARD in r["path"] and r["method"] == "GET"]

    def journal(self) -> int:
        return len((self.hub / "requests.jsonl").read_text().splitlines())

    def begin(self, **changes: object) -> Background:
        """`up` in the background."""
        self.write(self.changed_config(**changes))
        words = ["up", "--yes", "--skip-preview", "--stack", "test", "--config-file", str(self.config_file)]
        return Background(self, self.command(*words))

    def state(self) -> str:
        """All that the engine wrote down."""
        files = (p for p in (self.folder / "stacks").rglob("*") if p.is_file())
        return "".join(p.read_text(errors="replace") for p in files)

    def inventory(self) -> dict[str, str]:
        """What a destroy must leave as it was."""
        lists = {
            "units": "systemctl list-unit-files --no-legend --no-pager; systemctl list-units --plain --no-legend "
            f"'{STACK}*'",
            "etc": "find /etc -type f -not -name '*-' -print0 | sort -z | xargs -0 sha256sum",
            "ours": "find /var/lib/tandem /mnt 2>/dev/null || true",
            "mounts": "findmnt --noheadings --list --output TARGET,SOURCE | grep -v docker | sort",
            "sysctls": "sysctl -a 2>/dev/null | grep -E '^net.core.somaxconn|^net.ipv4.tcp_max_syn_backlog|^vm[.]sw'",
            "containers": "docker ps --all --quiet",
        }
        return {name: self.ssh(NODE, command) for name, command in lists.items()}


class Background:
    """A pulumi command that runs meanwhile; a session of its own, so that it can be killed whole."""

    def __init__(self, deployment: Faults, command: list[str]) -> None:
        self.output = deployment.folder / "background.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=deployment.program,
                env=deployment.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return ANSI.sub("", self.output.read_text())

    def says(self, pattern: str, seconds: float = 90) -> str:
        """Waits until it has said this."""

        def found() -> str | None:
            match = re.search(pattern, self.text)
            if match is None:
                assert self.process.poll() is None, self.text[-3000:]
            return match and match.group()

        return str(until(found, seconds))

    def ends(self, seconds: float = 240) -> Run:
        return Run(self.process.wait(seconds), self.text)


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    made = Faults(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


def sentence(run: Run, pattern: str) -> str:
    """The one line for the user; it stands in the output of a run that failed."""
    run.bad()
    assert "Traceback" not in run.text
    found = re.search(pattern, run.text)
    assert found, run.text[-3000:]
    print(found.group())
    return found.group()


def documented(heading: str) -> list[list[str]]:
    """The pulumi commands below a heading of docs/hosts.md, as words, for the stack of these tests."""
    section = (ROOT / "docs/hosts.md").read_text().split(f"{heading}\n")[1].split("\n## ")[0]
    return [
        shlex.split(line.replace("NAME", "test"), comments=True)[1:] for line in re.findall("^pulumi .*", section, re.M)
    ]


def logins(faults):
    return int(faults.ssh(NODE, "journalctl -b -o cat | grep -c 'Accepted publickey' || true"))


def test_a_machine_that_boots_meanwhile_is_waited_for(faults):
    """SSH refuses or is silent, then answers; a line says what is waited for."""
    faults.machine(NODE).stop()
    run = faults.begin()
    run.says(r"node-0: waiting for SSH \(.+\), \d+ s left")
    faults.site.start(NODE)
    run.ends().good()


def test_a_wrong_key_is_reported_at_once(faults):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(faults.folder / "other")], check=True)
    began = time.monotonic()
    run = faults.up(ssh={"key": str(faults.folder / "other")})
    sentence(run, r"node-0 \(root@10\.92\.0\.11:22\): the machine refuses this key; add its public half to .*")
    assert time.monotonic() - began < 60


def test_another_host_key_is_reported_at_once(faults):
    other = " ".join((faults.folder / "other.pub").read_text().split()[:2])
    began = time.monotonic()
    run = faults.up(ssh={"hostKey": other})
    sentence(run, r"node-0 .*: the machine shows another host key than the one known for it; if it was reinstalled, .*")
    assert time.monotonic() - began < 60
    faults.up().good()


def test_a_reboot_in_the_middle_of_a_long_step(faults):
    """The step is started again, and the same `up` sees its end."""
    run = faults.begin(step=faults.step("/root/gate-1"))
    run.says("node-0: at the gate")
    faults.machine(NODE).reboot()
    run.says("connection lost, waiting for it to come back|started again after an interruption")
    faults.machine(NODE).wait_for_ssh()
    faults.ssh(NODE, "touch /root/gate-1")
    run.ends().good()
    assert faults.ssh(NODE, "cat /root/runs").split() == ["run", "run"]


def test_an_up_killed_in_the_middle_is_gone_on_with(faults):
    """The unit that runs is watched again and not started twice. The engine's lock must be lifted first."""
    step = faults.step("/root/gate-2", name="kept", secretFile=faults.secret_file("hunter2-of-the-test"))
    faults.ssh(NODE, "rm /root/runs")
    run = faults.begin(step=step)
    run.says("node-0: at the gate")
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()
    cancel, up, forget = documented("## When `pulumi up` was killed")
    assert cancel == ["cancel", "--yes", "test"]
    assert "`pulumi cancel`" in faults.up(step=step).bad().text
    faults.pulumi(*cancel).good()
    assert up == ["up", "--stack", "test"]
    again = faults.begin(step=step)
    again.says("node-0: at the gate")
    # While it runs: no secret in units, processes, logs, or files that others may read.
    seen = faults.ssh(
        NODE,
        f"cat /proc/[0-9]*/cmdline | tr '\\0' ' '; systemctl show '{STACK}*'; cat /var/lib/tandem/*/steps/*/*/log;"
        "find /var/lib/tandem /etc /run/systemd -type f -perm -o+r -print0 | xargs -0 cat; journalctl -b --no-pager",
    )
    assert "hunter2" not in seen
    assert "hunter2" not in faults.state() + again.text
    faults.ssh(NODE, "touch /root/gate-2")
    again.ends().good()
    assert faults.ssh(NODE, "cat /root/runs").split() == ["run"]
    # The script's success took the secret from the disk.
    assert faults.ssh(NODE, "grep -rl hunter2 /var/lib/tandem || true") == ""
    # The engine goes on warning of what was cut off until that is cleared; nothing changes by that.
    assert "1 pending operations" in faults.up().good().text
    faults.pulumi(*forget, "--skip-preview", "--config-file", str(faults.config_file)).good()
    assert "pending operations" not in faults.up().good().text


@pytest.mark.long  # installs Docker on a machine that has none, which test_cloud.py does too
def test_apts_lock_is_waited_for_and_its_holder_named(faults):
    faults.ssh(NODE, "apt-get update -qq && apt-get install -qq --no-install-recommends docker.io nfs-common")
    faults.before = faults.inventory()
    faults.ssh(NODE, f'systemd-run --quiet --unit=holder python3 -c "{HOLDER}"')
    until(lambda: faults.ssh(NODE, "ls /run/held", check=False))
    holder = faults.ssh(NODE, "systemctl show --property=MainPID --value holder").strip()
    run = faults.begin(prepare=True)
    run.says(rf"waiting for apt's lock \(process {holder}, \d+ s\)")
    faults.ssh(NODE, "touch /run/released")
    run.ends().good()


def test_a_model_that_cannot_be_had(faults):
    """One of the sentences; test_fetch.py has those of every hub."""
    sentence(
        faults.fetch(model=GATED), r"weights: tandem/gated is gated: accept its licence on the hub and set hubToken"
    )


@pytest.mark.parametrize("source", [pytest.param("modelscope", marks=pytest.mark.long), "huggingface"])
def test_a_gated_model_with_its_token(faults, source):
    """And the token is nowhere in clear."""
    shutil.rmtree(faults.share / "models/tandem--gated", ignore_errors=True)
    run = faults.fetch(model=GATED, source=source, tokenFile=faults.secret_file(TOKEN)).good()
    assert TOKEN not in faults.state() + run.text
    assert faults.ssh(NODE, f"grep -rl {TOKEN} /var/lib/tandem /mnt/tandem /etc /root /tmp || true") == ""


def test_the_ssh_key_is_nowhere_in_clear(faults):
    private = faults.site.key.read_text().splitlines()[2]
    assert private not in faults.state()
    assert faults.ssh(NODE, f"grep -rlF {private} /var/lib/tandem /etc /root /tmp || true") == ""


def test_a_second_up_changes_nothing_and_logs_in_nowhere(faults):
    before = logins(faults)
    run = faults.fetch(model=GATED, tokenFile=faults.secret_file(TOKEN)).good()
    assert run.changed() == set()
    assert logins(faults) == before + 1  # the one that counts


@pytest.mark.parametrize("source", ["huggingface", pytest.param("modelscope", marks=pytest.mark.long)])
def test_a_download_cut_at_half_goes_on_there(faults, source):
    size = (faults.big / SHARD).stat().st_size
    since = faults.journal()
    faults.fault(kind="cut", path=f"*{SHARD}*", at=size // 2)
    faults.fetch(source=source, revision="main" if source == "huggingface" else "master").good()
    requests = faults.requests(since)
    assert any(r["fault"] == "cut" for r in requests)
    assert any(r["range"] and r["status"] == 206 for r in requests)
    assert sum(max(int(r["bytes"]), 0) for r in requests) < 1.3 * size
    held = faults.share / f"models/tandem--big@{'main' if source == 'huggingface' else 'master'}"
    assert (held / SHARD).read_bytes() == (faults.big / SHARD).read_bytes()


@pytest.mark.long  # test_fetch.py does it without a stack
def test_a_download_that_stands_still_is_started_again(faults):
    size = (faults.big / SHARD).stat().st_size
    since = faults.journal()
    faults.fault(kind="stall", path=f"*{SHARD}*", at=size // 2, seconds=300)
    run = faults.fetch(stall_seconds=4).good()
    assert run.code == 0
    log = faults.ssh(NODE, f"cat /var/lib/tandem/{STACK}/steps/weights/*/log")
    assert re.search(r"at byte \d+: no new byte for 4 s; requesting again from there", log)
    assert sum(max(int(r["bytes"]), 0) for r in faults.requests(since)) < 1.6 * size


@pytest.mark.long  # test_fetch.py does it without a stack
def test_a_byte_that_changed_on_the_storage_is_found_and_fetched_again(faults):
    stored = faults.share / "models/tandem--big" / SHARD
    with stored.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\xff\x00\xff\x00")
    since = faults.journal()
    faults.fetch(stall_seconds=4, trigger="again").good()
    assert stored.read_bytes() == (faults.big / SHARD).read_bytes()
    # Only the file that was wrong was fetched.
    lines = map(json.loads, (faults.hub / "requests.jsonl").read_text().splitlines()[since:])
    sent = {r["path"].rsplit("/", 1)[-1] for r in lines if r["method"] == "GET" and "/resolve/" in r["path"]}
    assert sent == {SHARD}


@pytest.mark.long  # test_fetch.py does it without a stack
def test_a_hub_that_alters_bytes_is_named(faults):
    (faults.share / "models/tandem--big" / SHARD).unlink()
    faults.fault(kind="corrupt", path=f"*{SHARD}*", at=5000, times=50)
    run = faults.fetch(trigger="corrupt")
    sentence(
        run,
        rf"weights: {MOUNT}/models/tandem--big/{SHARD} holds other bytes than the hub's \(checksum differs\) "
        "after downloading it twice; the hub or the storage alters bytes",
    )
    faults.fault()
    faults.fetch(trigger="corrupt").good()


def test_a_full_storage_is_reported_and_gone_on_with_when_there_is_space(faults):
    """Refused before the first byte; once there is space, the next `up` goes on."""
    faults.ssh(NODE, f"systemctl stop mnt-tandem.mount && mount -t tmpfs -o size=20m small {MOUNT}")
    try:
        since = faults.journal()
        sentence(
            faults.fetch(trigger="small"),
            r"weights: /mnt/tandem/models has [\d.]+ MB free and tandem/big needs [\d.]+ MB more; "
            "free space there or use a larger storage",
        )
        assert not faults.requests(since)
        faults.ssh(NODE, f"mount -o remount,size=100m {MOUNT}")
        faults.fetch(trigger="small").good()
        assert faults.requests(since)
    finally:
        faults.ssh(NODE, f"umount {MOUNT} && systemctl start mnt-tandem.mount")


@pytest.mark.long  # the test above has it full from the start
def test_a_storage_that_fills_up_in_mid_download_is_reported_and_gone_on_with(faults):
    """Somebody else writes the storage full when half of a file is there; what was fetched is not fetched again."""
    size = (faults.big / SHARD).stat().st_size
    faults.ssh(NODE, f"systemctl stop mnt-tandem.mount && mount -t tmpfs -o size=150m small {MOUNT}")
    try:
        since = faults.journal()
        faults.fault(kind="stall", path=f"*{SHARD}*", at=size // 2, seconds=300)
        run = faults.begin(prepare=True, weights=faults.weights(trigger="fills", stall_seconds=4))
        until(lambda: int(faults.ssh(NODE, f"du --summarize --bytes {MOUNT} | cut -f1")) > size // 2, 90)
        faults.ssh(NODE, f"dd if=/dev/zero of={MOUNT}/filler bs=1M status=none", check=False)
        sentence(
            run.ends(),
            "weights: /mnt/tandem/models is full; free space there, then run `pulumi up` again: the download goes on",
        )
        faults.fault()
        faults.ssh(NODE, f"rm {MOUNT}/filler")
        faults.fetch(trigger="fills", stall_seconds=4).good()
        assert sum(max(int(r["bytes"]), 0) for r in faults.requests(since)) < 1.6 * size
    finally:
        faults.ssh(NODE, f"umount {MOUNT} && systemctl start mnt-tandem.mount")


@pytest.mark.long  # goes on from apt's lock; test_hosts.py looks at what a destroy leaves
def test_destroy_leaves_the_machine_as_it_was_and_keeps_the_weights_it_names(faults):
    kept = f"{MOUNT}/models/tandem--big"
    faults.up(prepare=True, weights=faults.weights(), cleanup={"KEPT_WEIGHTS": kept}).good()
    run = faults.destroy().good()
    assert re.search(rf"node-0: kept the weights in {kept} \(\S+\)", run.text)
    assert "kept the packages" in run.text
    assert (faults.share / "models/tandem--big" / SHARD).exists()
    after = faults.inventory()
    assert "/var/lib/tandem" not in after.pop("ours")
    assert after == {name: listed for name, listed in faults.before.items() if name != "ours"}


@pytest.mark.long  # goes on from the test above
def test_destroy_deletes_the_weights_on_request_and_kept_ones_are_verified_first(faults):
    """A byte that changed between two lives of the stack is found by the second's first `up`."""
    stored = faults.share / "models/tandem--big" / SHARD
    with stored.open("r+b") as stream:
        stream.write(b"\xff\x00\xff\x00")
    faults.up(prepare=True, weights=faults.weights(), cleanup={"DELETE_WEIGHTS": f"{MOUNT}/models/tandem--big"}).good()
    assert stored.read_bytes() == (faults.big / SHARD).read_bytes()
    faults.destroy().good()
    assert not stored.parent.exists()


@pytest.mark.long  # test_hosts.py does it with two machines
def test_destroy_when_the_machine_is_gone(faults):
    faults.up(step=faults.step("/etc/hostname", name="quick")).good()
    faults.machine(NODE).kill()
    run = faults.destroy().good()
    assert re.search(r"node-0 \(root@10\.92\.0\.11:22\): not reached \(.*\), so nothing was removed there;", run.text)
