"""A setting that was given as a secret is one in everything the engine receives, and in every line for people."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import config

from stacks import planning
from stacks.deployment import deploy
from stacks.load_settings import load
from stacks.settings.errors import SettingsError
from stacks.settings.secrecy import Secrecy
from tests.support.graph import Answers, Recorder
from tests.support.settings import values

MARK = "4dabf18193072939515e22adb298388d"
"""How the engine marks a secret."""
CANARY = "canary-7f3c'\"x"
"""With quotes, so that every way of writing it down is tried."""


def in_clear(value: object) -> list[str]:
    """All texts inside that are no secret."""
    if isinstance(value, dict):
        return [] if MARK in value else [t for k, v in value.items() for t in (k, *in_clear(v))]
    if isinstance(value, list):
        return [t for each in value for t in in_clear(each)]
    return [value] if isinstance(value, str) else []


def configured(tmp_path, secret: str, *, native: bool = False, **changes: Any) -> dict[str, str]:
    """The stack's configuration; `secret` is the setting that is a secret in it."""
    (tmp_path / "key").write_text("PRIVATE")
    (tmp_path / "known").write_text("".join(f"10.0.0.{n} ssh-ed25519 AAAA\n" for n in (1, 2)))
    if native:
        changes |= {"runtime": "native", "storage": {"path": "/data"}, "images": None}
    given = values(
        ssh={"privateKeyFile": str(tmp_path / "key"), "knownHostsFile": str(tmp_path / "known")},
        **{"images": {"engine": "registry/vllm-with-ray:1"}, **changes},
    )
    config.set_all_config({f"tandem:{k}": v for k, v in given.items()}, [f"tandem:{secret}"])
    return given


def registered(monkeypatch) -> tuple[dict[str, Any], list[str]]:
    """Everything the engine receives, by resource, and every line for people."""
    said: list[str] = []
    for level in ("info", "warn", "error"):
        monkeypatch.setattr(pulumi.log, level, lambda message, *_, **__: said.append(message))
    settings = load()
    monitor = Recorder(Answers())
    pulumi.runtime.set_mocks(Answers(), project="tandem", stack="t", monitor=monitor)
    outputs: dict[str, Any] = {}

    @pulumi.runtime.test
    async def run():
        outputs.update(await deploy(settings, api_key=None, hub_token=None))
        return pulumi.Output.all(**outputs)

    run()
    return {name: MessageToDict(request.object) for name, request in monitor.seen.items()}, said


def leaks(seen: dict[str, Any], word: str = "canary-7f3c") -> list[str]:
    return sorted(name for name, properties in seen.items() if any(word in text for text in in_clear(properties)))


def holding(seen: dict[str, Any], word: str = "canary-7f3c") -> list[str]:
    return sorted(name for name, properties in seen.items() if word in json.dumps(properties))


SERVING = {
    "tensorParallelSize": 2,
    "environment": {"HF_TOKEN": CANARY, "SHORT": "abc"},
    "arguments": [f"--hf-token={CANARY}"],
}


@pytest.mark.parametrize(("native", "executor"), [(False, "ray"), (False, "mp"), (True, "ray"), (True, "mp")])
def test_the_engines_environment_and_arguments(monkeypatch, tmp_path, native, executor):
    configured(tmp_path, "serving", native=native, serving={**SERVING, "executor": executor})
    seen, said = registered(monkeypatch)
    users = {"n-engine"} | ({"n-ray"} if executor == "ray" else set())
    assert {"n-" + name.split("-", 1)[1] for name in holding(seen)} >= users or native
    assert leaks(seen) == []
    assert leaks(seen, "SHORT=abc") == []
    assert not [line for line in said if "canary" in line]
    assert "VLLM_NO_USAGE_STATS=1" in in_clear(seen["a-engine"]) or native, "what is no secret is seen"


def test_without_secrets_nothing_is_hidden(monkeypatch, tmp_path):
    configured(tmp_path, "nothing", serving={**SERVING, "executor": "mp"})
    seen, _ = registered(monkeypatch)
    assert leaks(seen) == ["a-engine", "b-engine"], "so the tests above would see one"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", {"source": "huggingface", "id": "owner/canary-7f3c", "revision": "canary-7f3c"}),
        ("storage", {"server": "canary-7f3c.example", "mountPoint": "/mnt/canary-7f3c"}),
        ("mirrors", {"pip": "https://user:canary-7f3c@mirror/simple", "registryMirrors": ["https://canary-7f3c"]}),
        ("images", {"engine": "registry/canary-7f3c:1"}),
        ("gateway", {"url": "https://canary-7f3c.example"}),
        (
            "machines",
            [
                {"name": "a", "address": "10.0.0.1", "privateAddress": "canary-7f3c.a"},
                {"name": "b", "address": "10.0.0.2"},
            ],
        ),
    ],
)
def test_any_other_setting(monkeypatch, tmp_path, name, value):
    configured(tmp_path, name, **{name: value})
    seen, said = registered(monkeypatch)
    assert holding(seen) or name == "mirrors", "it goes somewhere; this one into steps' files alone"
    assert leaks(seen) == []
    assert not [line for line in said if "canary" in line]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serving", {"tensorParallelSize": "canary-7f3c"}),
        ("serving", {"tensorParallelSize": 3, "environment": {"canary-7f3c x": "1"}}),
        ("serving", "{canary-7f3c"),
        ("model", {"source": "huggingface", "id": "canary-7f3c"}),
        ("storage", {"server": "nas", "mountPoint": "canary-7f3c"}),
        ("images", {"mounts": ["canary-7f3c"]}),
        ("mirrors", {"pip": "ftp://canary-7f3c"}),
    ],
)
def test_a_refusal_does_not_repeat_it(tmp_path, name, value):
    configured(tmp_path, name, **{name: value})
    with pytest.raises(SettingsError) as caught:
        load()
    assert name in str(caught.value) and "canary" not in str(caught.value)


def test_a_refusal_of_the_plan_does_not_either(tmp_path):
    configured(
        tmp_path,
        "serving",
        accelerator={"kind": "nvidia", "gpu": "L20"},
        model={"source": "huggingface", "id": "Qwen/Qwen2.5-72B-Instruct"},
        serving={"tensorParallelSize": 2, "executor": "mp", "arguments": ["--dtype=canary-7f3c"]},
    )
    with pytest.raises(SettingsError) as caught:
        planning.plan_for(load())
    assert "canary" not in str(caught.value)


def test_what_is_found_is_found_in_every_spelling():
    secrecy = Secrecy(frozenset({"serving"}), frozenset({CANARY}))
    for text in (CANARY, json.dumps({"a": CANARY}), f"x={CANARY}"):
        assert secrecy.holds({"deep": [text]}) and CANARY not in secrecy.redacted(text)
    assert not secrecy.holds("canary")


@pytest.mark.parametrize("key", ["a" * 20 + "\n", "a" * 20 + " ", 'a" 1; include /etc/passwd;' + "a" * 20])
def test_a_key_is_what_a_header_carries_to_its_last_character(key):
    config.set_all_config({f"tandem:{k}": v for k, v in values().items()} | {"tandem:apiKey": key}, ["tandem:apiKey"])
    with pytest.raises(SettingsError, match="apiKey: holds characters that a header can't carry"):
        load()
