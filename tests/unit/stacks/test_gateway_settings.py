"""The gateway's settings and secrets: what they allow together, and what a change of them touches."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.gateway.certificate import make_pair
from stacks.load_settings import load, named_secrets, parse
from stacks.settings.errors import SettingsError
from tests.support.graph import graph, reaches
from tests.support.settings import refusal, values

PAIR, OTHER = (make_pair(letter * 48, "t", ["api.example"]) for letter in "xy")
KEY = "k" * 32
DOCKER = {"images": {"engine": "registry/vllm:1"}}
NATIVE = {"runtime": "native", "native": {"packages": ["vllm==0.33.0"]}, "storage": {"path": "/data"}}


def test_tls_is_pinned_when_nothing_is_said_and_a_word_is_enough():
    assert parse(values()).gateway.tls.mode == "pinned"
    assert parse(values(gateway={"tls": "none", "allowedCidrs": ["10.0.0.0/8"]})).gateway.tls.mode == "none"


@pytest.mark.parametrize(
    ("gateway", "expected"),
    [
        ({"tls": "none"}, "gateway.tls: none would send keys and prompts in clear; set it to pinned"),
        ({"tls": "none", "allowedCidrs": ["10.0.0.0/7"]}, "in clear"),
        ({"tls": "none", "url": "http://h:1"}, "in clear"),
        ({"url": "http://h:1"}, "gateway.url: begins with http:// and the port behind it speaks TLS; write https://"),
        ({"tls": "files"}, "gateway.tls.certificateFile: is missing; mode files needs it"),
        ({"tls": {"mode": "files", "certificateFile": "/nowhere.pem"}}, "there is no file /nowhere.pem"),
        ({"tls": "acme"}, "gateway.tls.domain: is missing"),
        ({"tls": {"domain": "a.example"}}, "gateway.tls.domain: has no meaning with mode pinned; take it out"),
        ({"tls": "letsencrypt"}, "gateway.tls.mode"),
        ({"keys": ["default"]}, "gateway.keys: names must differ, and default is the name of apiKey"),
        ({"keys": ["a", "a"]}, "gateway.keys: names must differ"),
        ({"corsOrigins": ["https://a.example/"]}, "is no origin; write scheme, host and port alone"),
        ({"paths": ["/v1/../pause"]}, "is no path; write it like /v1/load_lora_adapter"),
        ({"paths": ["/v1/%70ause"]}, "is no path"),
        ({"metricsCidrs": ["10.0.0.1/8"]}, "gateway.metricsCidrs"),
        ({"maxRequestMib": 0}, "gateway.maxRequestMib"),
    ],
)
def test_what_can_t_work_is_refused_by_name(gateway, expected):
    assert expected in refusal(gateway=gateway)


@pytest.mark.parametrize(
    "gateway",
    [
        {"tls": "none", "url": "https://proxy.example"},
        {"tls": "none", "allowedCidrs": ["192.168.1.0/24", "100.64.0.0/16"]},
        {"tls": {"mode": "acme", "domain": "api.example", "email": "a@b.example"}},
        {"tls": {"mode": "acme", "domain": "192.0.2.1"}, "port": 443},
        {"corsOrigins": ["*"], "paths": ["/v1/load_lora_adapter"], "keys": ["a", "b"]},
    ],
)
def test_what_works_is_taken(gateway):
    parse(values(gateway=gateway))


def test_a_page_in_clear_is_refused_too_and_port_80_belongs_to_acme():
    gateway = {"tls": "none", "allowedCidrs": ["10.0.0.0/8"]}
    said = refusal(gateway=gateway, webui={"enabled": True, "allowedCidrs": ["0.0.0.0/0"]})
    assert "webui.allowedCidrs to private ranges" in said
    acme = {"tls": {"mode": "acme", "domain": "a.example"}, "port": 80}
    assert "gateway.tls: ACME's proof (80) and the URL (gateway.port, 80) want the same port" in refusal(gateway=acme)


def said(config, *secrets) -> str:
    texts = {f"tandem:{name}": v if isinstance(v, str) else json.dumps(v) for name, v in config.items()}
    pulumi.runtime.set_all_config(texts, [f"tandem:{name}" for name in secrets])
    with pytest.raises(SettingsError) as caught:
        load()
    return str(caught.value)


def test_keys_by_name_are_looked_at_one_by_one():
    config = {**values(gateway={"keys": ["ci"]}), "apiKeys": {"ci": "short", "nobody": KEY}}
    text = said(config, "apiKeys")
    assert "apiKeys.ci: has 5 characters, which can be guessed" in text
    assert "apiKeys: nobody stands in no gateway.keys" in text
    assert "apiKeys: stands in clear" in said({**config, "apiKeys": {"ci": KEY}})
    assert "is no object of names and keys" in said({**config, "apiKeys": "[1]"}, "apiKeys")
    config = {**config, "apiKeys": {"ci": KEY}}
    texts = {f"tandem:{name}": v if isinstance(v, str) else json.dumps(v) for name, v in config.items()}
    pulumi.runtime.set_all_config(texts, ["tandem:apiKeys"])
    assert load().gateway.keys == ("ci",)
    assert set(named_secrets("apiKeys")) == {"ci"}


def test_a_key_that_is_not_the_certificate_s_is_refused_before_anything_is_created(tmp_path):
    file = tmp_path / "chain.pem"
    file.write_text(PAIR.certificate)
    config = values(gateway={"tls": {"mode": "files", "certificateFile": str(file)}})
    assert "tlsKey: is missing" in said(config)
    assert "is not the key of the certificate" in said({**config, "tlsKey": OTHER.key}, "tlsKey")
    assert "tlsKey: has no meaning with gateway.tls pinned" in said({**values(), "tlsKey": PAIR.key}, "tlsKey")
    texts = {f"tandem:{name}": value for name, value in {**config, "tlsKey": PAIR.key}.items()}
    pulumi.runtime.set_all_config(texts, ["tandem:tlsKey"])
    assert load().gateway.tls.mode == "files"


@pytest.mark.parametrize("runtime", [DOCKER, NATIVE])
def test_a_change_of_the_gateway_s_configuration_is_none_of_its_process(monkeypatch, tmp_path, runtime):
    """Container or process have the same words to the letter: only the step that configures runs again."""
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"corsOrigins": ["https://a.example"], "port": 8001, "accessLog": False, "tls": {"generation": 2}},
    )
    made = []
    for gateway in changes:
        made.append(graph(monkeypatch, tmp_path, executor="mp", runtime={**runtime, "gateway": gateway}))
    process, configured = "n0-gateway", "n0-gateway-configured-run"
    assert made[0][process].object == made[1][process].object
    assert made[0][configured].object != made[1][configured].object
    assert reaches(made[0], process, configured)


def test_keys_are_counted_by_a_process_of_the_machine_when_somebody_may_read_it(monkeypatch, tmp_path):
    for runtime in (DOCKER, NATIVE):
        whole = [
            graph(monkeypatch, tmp_path, executor="mp", runtime={**runtime, "gateway": {"metricsCidrs": ranges}})
            for ranges in ([], ["10.0.0.0/8"])
        ]
        assert whole[1].keys() - whole[0].keys() == {"n0-gateway-metrics"}
        assert whole[0]["n0-gateway"].object == whole[1]["n0-gateway"].object
