"""A stack as Pulumi knows it, and the archive for whoever helps: whatever is secret stays on this computer."""

from __future__ import annotations

import json
import os
import tarfile
from datetime import UTC, datetime, timedelta

import pytest

from components.machine import BASE
from stacks import support
from stacks.ask_pulumi import PulumiError
from stacks.doctor import __main__ as doctor
from stacks.doctor import external_probe, machine_probe
from stacks.doctor import stack as reading
from stacks.doctor.addresses import places_of
from stacks.doctor.egress_targets import HUBS
from stacks.doctor.machine_probe import clock_offset
from stacks.doctor.redaction import Redaction
from stacks.doctor.stack import SECRET, Stack, StackError, read_stack
from stacks.remote import Reply
from tests.support.paths import ROOT
from tests.support.settings import values

KIND = "OPENSSH PRIVATE KEY"
API_KEY, TOKEN, SHORT_NAMED = "sk-9f8e7d6c5b4a39281706", 'to"ken/with $pecial+chars', "env-secret-0123456789"
PEM = f"-----BEGIN {KIND}-----\nAAAAb3BlbnNzaC1rZXktdjEAAAAA\nZm9vYmFyYmF6\n-----END {KIND}-----\n"
ACCOUNT_SECRET = "account-secret-112233445566"  # noqa: S105  # planted
HERE = [{"name": "a", "address": "127.0.0.1"}, {"name": "b", "address": "127.0.0.2"}]
PLANTED = (API_KEY, TOKEN, SHORT_NAMED, "AAAAb3BlbnNzaC1rZXktdjEAAAAA", ACCOUNT_SECRET)


def sealed(value: object) -> dict[str, str]:
    """As `pulumi stack export --show-secrets` has it."""
    return {SECRET: "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


def exported() -> dict[str, object]:
    def urn(kind: str, name: str) -> str:
        return f"urn:pulumi:test::tandem::{kind}::{name}"

    stack = {
        "type": "pulumi:pulumi:Stack",
        "urn": urn("pulumi:pulumi:Stack", "tandem-test"),
        "outputs": {
            "apiUrl": "https://127.0.0.1:1/v1",
            "apiKey": sealed(API_KEY),
            "model": "model-7b",
            "machines": {"a": "ssh root@a", "b": "ssh root@b"},
        },
    }
    call = {"url": "https://127.0.0.1:1/v1", "key": API_KEY, "model": "model-7b", "token": TOKEN}
    calls = {
        "type": "command:local:Command",
        "urn": urn("command:local:Command", "answer-asked"),
        "custom": True,
        "id": "x",
        "inputs": {"stdin": sealed(json.dumps(call))},
        "outputs": {"key": sealed(PEM)},
    }
    return {"deployment": {"resources": [stack, calls]}}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A `pulumi` and an `ssh` of the test's own, with secrets wherever they may be."""
    config = {f"tandem:{name}": {"value": text, "secret": False} for name, text in values(machines=HERE).items()}
    config["tandem:apiKey"] = {"value": API_KEY, "secret": True}
    config["tandem:hubToken"] = {"value": TOKEN, "secret": True}
    serving = {"tensorParallelSize": 2, "executor": "mp", "environment": {"TOKEN": SHORT_NAMED}}
    config["tandem:serving"] = {"value": json.dumps(serving), "objectValue": serving, "secret": True}
    history = [{"version": 1, "kind": "update", "result": "succeeded", "config": {"x": API_KEY}}]
    lines = [
        f"2026-01-01T00:00:01Z\ta-engine\tserving model-7b with --api-key {API_KEY}",
        f"2026-01-01T00:00:02Z\ta-engine\t{json.dumps({'token': TOKEN})}",
        "2026-01-01T00:00:03Z\ta-engine\tAuthorization: Bearer somebody-elses-key-1234",
        "2026-01-01T00:00:04Z\ta-engine\thttps://user:pass-of-a-proxy@proxy.example:3128 refused",
        *(f"2026-01-01T00:00:05Z\ta-engine\t{line}" for line in PEM.splitlines()),
        f"2026-01-01T00:00:06Z\ta-engine\t{SHORT_NAMED} {ACCOUNT_SECRET}",
    ]
    files = {"config": config, "export": exported(), "history": history}
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "lines").write_text("\n".join(lines) + "\n")
    facts = {
        "began": 0,
        "ended": 0,
        "late": [],
        "failed": {"bus": f"no {API_KEY}"},
        "frozen": [f"vllm --api-key {API_KEY}"],
    }
    (tmp_path / "facts").write_text(json.dumps(facts))
    programs = {
        "pulumi": f'cd "{tmp_path}"\n'
        'for f in history export config; do case " $*" in *" $f "*) cat $f; exit ;; esac; done\n'
        "echo v3",
        "ssh": f'cat >/dev/null; case "$*" in *python3*) cat "{tmp_path}/facts" ;; *) cat "{tmp_path}/lines" ;; esac',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAI-not-a-secret")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ACCOUNT_SECRET)
    monkeypatch.setattr(external_probe, "ASK_SECONDS", 0)
    return tmp_path


def test_settings_state_and_secrets_are_read(world):
    found = read_stack("test")
    assert found.settings and found.settings.model.name == "model-7b"
    probe = found.named("answer-asked")
    assert probe is not None
    assert found.outputs["apiKey"] == API_KEY
    assert json.loads(probe.inputs["stdin"])["token"] == TOKEN
    assert {API_KEY, TOKEN, SHORT_NAMED, PEM} <= found.secrets
    assert found.shown_outputs["apiKey"] == "[secret]" and found.shown_outputs["model"] == "model-7b"
    assert SHORT_NAMED not in json.dumps(found.shown_values)
    assert [place.name for place in places_of(found)] == ["a", "b"]


def test_no_planted_secret_is_in_the_archive(world):
    target = world / "out.tar.gz"
    assert support.main(["test", "--output", str(target)]) == 0
    with tarfile.open(target) as packed:
        opened = {each.name.partition("/")[2]: packed.extractfile(each) for each in packed.getmembers()}
        texts = {name: file.read().decode() for name, file in opened.items() if file}
    assert set(texts) == {
        "doctor.json",
        "facts.json",
        "settings.json",
        "outputs.json",
        "resources.json",
        "history.json",
        "versions.json",
        "logs/a.log",
        "logs/b.log",
    }
    whole = "\n".join(texts.values())
    for secret in (*PLANTED, "somebody-elses-key-1234", "pass-of-a-proxy"):
        for form in (secret, json.dumps(secret)[1:-1]):
            assert form not in whole, form
    assert "serving model-7b with" in texts["logs/a.log"]
    assert json.loads(texts["history.json"]) == [{"version": 1, "kind": "update", "result": "succeeded"}]
    assert any(each["severity"] == "error" for each in json.loads(texts["doctor.json"]))
    assert target.stat().st_mode & 0o077 == 0


def test_a_stack_that_pulumi_does_not_know_is_read_from_its_file(tmp_path, monkeypatch):
    (tmp_path / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'new' found\" >&2; exit 255\n")
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "Pulumi.new.yaml"
    config = {f"tandem:{name}": json.loads(text) if text[0] in "[{" else text for name, text in values().items()}
    file.write_text(json.dumps({"config": {**config, "tandem:apiKey": {"secure": "v1:abc"}}}))
    found = read_stack("new", file)
    assert (found.mistakes, found.unread, found.resources) == ("", "", [])
    assert found.settings and [place.name for place in places_of(found)] == ["a", "b"]
    with pytest.raises(StackError, match=r"there is no stack new and no nothing\.yaml"):
        read_stack("new", tmp_path / "nothing.yaml")


def test_mistakes_of_settings_are_reported_and_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(
        reading, "ask_pulumi", lambda *_, **__: (_ for _ in ()).throw(PulumiError("no stack named 'new' found"))
    )
    file = tmp_path / "Pulumi.new.yaml"
    file.write_text(json.dumps({"config": {"tandem:platform": "hosts", "tandem:modle": {}}}))
    found = read_stack("new", file)
    assert found.settings is None and "modle: no such setting" in found.mistakes


MISFIT = {"tensorParallelSize": 2, "pipelineParallelSize": 3}
"""More accelerators than the two machines have."""
UBUNTU = {"user": "ubuntu", "privateKeyFile": "~/.ssh/id"}


def reached(tmp_path, monkeypatch, **changes: object) -> Stack:
    """A stack whose settings hold a mistake, never brought up."""
    monkeypatch.setattr(
        reading, "ask_pulumi", lambda *_, **__: (_ for _ in ()).throw(PulumiError("no stack named 'new' found"))
    )
    config = {
        f"tandem:{name}": json.loads(text) if text[0] in "[{" else text
        for name, text in values(**{"serving": MISFIT, **changes}).items()
    }
    file = tmp_path / "Pulumi.new.yaml"
    file.write_text(json.dumps({"config": config}))
    found = read_stack("new", file)
    assert found.settings is None and found.mistakes
    return found


def test_a_mistake_elsewhere_leaves_machines_looked_at(tmp_path, monkeypatch):
    """The split does not fit the machines, and the machines may have faults of their own."""
    ssh = {"user": "ubuntu", "privateKeyFile": "~/.ssh/id", "proxyJump": "admin@bastion.example", "knwonHosts": "x"}
    machines = [
        {"name": "a", "address": "10.0.0.1", "port": 2222, "gpu": "no such GPU", "privateAddress": "192.168.0.1"},
        {"name": "b", "address": "fe80::1"},
        {"name": "c", "address": "10.0.0.3", "proxyJump": "none", "acelerators": 1},
    ]
    found = places_of(reached(tmp_path, monkeypatch, ssh=ssh, machines=machines))
    assert [(each.name, each.number, each.user, each.between) for each in found] == [
        ("a", 0, "ubuntu", True),
        ("c", 2, "ubuntu", False),
    ]
    assert found[0].peer_address == "192.168.0.1" and "-p 2222 ubuntu@10.0.0.1" in found[0].ssh


@pytest.mark.parametrize("changes", [{"ssh": {"user": "root"}}, {"machines": None}, {"machines": {"name": "a"}}])
def test_no_machine_is_reached_where_settings_do_not_say_how(tmp_path, monkeypatch, changes):
    assert places_of(reached(tmp_path, monkeypatch, **changes)) == []


@pytest.mark.parametrize(
    ("changes", "words", "folder"),
    [
        ({}, ["bash"], BASE),
        ({"ssh": UBUNTU}, ["sudo", "-n", "bash"], BASE),
        ({"ssh": UBUNTU, "runtime": "native"}, ["bash"], "~/.tandem"),
    ],
)
def test_a_machine_is_asked_as_its_login_may_also_by_settings_that_do_not_hold(
    tmp_path, monkeypatch, changes, words, folder
):
    asked = []

    def answer(ssh, said, stdin, seconds):
        asked.append((said, json.loads(stdin)["call"]))
        return Reply(json.dumps({"began": 0, "ended": 0, "late": [], "failed": {}, "frozen": []}), "")

    monkeypatch.setattr(machine_probe, "run_on", answer)
    stack = reached(tmp_path, monkeypatch, **changes)
    places = places_of(stack)
    assert machine_probe.query_machine(stack, places[0], places).facts["frozen"] == []
    [(said, call)] = asked
    assert said[: len(words)] == words
    assert call["peers"] == {"b": {"address": "10.0.0.2", "port": 22}}
    assert (call["native"], call["folder"]) == ("runtime" in changes, f"{folder}/tandem-new")


def test_the_report_names_the_machines_that_were_looked_at(world, capsys):
    assert doctor.main(["test", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["machines"] == [{"name": name, "facts": ["frozen"]} for name in ("a", "b")]
    doctor.main(["test", "--all"])
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == "looked at    a, b" and "; 2 of 2 machines looked at; " in said[-1]


def test_words_that_stand_in_clear_elsewhere_stay():
    stack = Stack("x", "tandem", {}, secrets=frozenset({"model-7b", API_KEY}), clear=frozenset({"model-7b"}))
    assert Redaction(stack).text(f"model-7b {API_KEY}") == "model-7b [secret]"


@pytest.mark.parametrize(
    ("readings", "offset"),
    [
        ((100, 102, 100.5, 101), 0),
        ((100, 102, 40, 41), -60),
        ((100, 102, 160, 161), 59),
        ((100, 160, 99, 130), -1),
    ],
)
def test_a_clock_is_off_only_where_no_travel_time_explains_it(readings, offset):
    """Four readings in the order in which they were taken bound the difference from both sides."""
    assert clock_offset(*readings) == offset


def test_hubs_are_those_of_the_program_that_fetches():
    text = (ROOT / "components/weights/files/hubs.py").read_text()
    assert all(HUBS[name] in text for name in ("huggingface", "modelscope"))


def test_time_is_reported_in_days():
    from stacks.doctor.external_probe import days_until

    assert 4.9 < days_until(datetime.now(UTC) + timedelta(days=5)) < 5
