"""The gateway's configuration, its allow-list and its certificate: pure functions."""

from __future__ import annotations

import json
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.gateway import Config, Page, Tls, certificate, errors, paths
from components.gateway.caddy import render

KEYS = {"default": "k" * 32, "ci": "c.d" * 11}


def config_text(**changed) -> str:
    return json.dumps(render(Config(**{"keys": KEYS, "port": 8000, "engine_port": 8100, **changed})))


def open_for(task: str, target: str, *more: str) -> list[str]:
    """Methods that a request target may have; `*` for any."""
    found = paths.allowed(task, more)
    return [m for methods, pattern in found.items() if re.fullmatch(pattern, target) for m in methods or ("*",)]


@pytest.mark.parametrize(
    ("task", "target", "methods"),
    [
        ("chat", "/v1/chat/completions", ["POST"]),
        ("chat", "/v1/chat/completions?a=/../b", ["POST"]),
        ("chat", "/v1/messages/count_tokens", ["POST"]),
        ("chat", "/v1/responses/resp_1", ["GET", "DELETE"]),
        ("chat", "/v1/responses/resp_1/cancel", ["POST"]),
        ("chat", "/v1/realtime?model=m", ["GET"]),
        ("completion", "/v1/completions", ["POST"]),
        ("embedding", "/v1/embeddings", ["POST"]),
        ("embedding", "/pooling", ["POST"]),
        ("embedding", "/v1/chat/completions", []),
        ("rerank", "/v2/rerank", ["POST"]),
        ("rerank", "/v1/score", ["POST"]),
        ("rerank", "/classify", ["POST"]),
        ("transcription", "/v1/audio/translations", ["POST"]),
        ("chat", "/v1/audio/transcriptions", []),
        ("chat", "/v1/models/Qwen%2FQwen2.5-7B", ["GET", "HEAD"]),
        ("chat", "/v1/models/Qwen/Qwen2.5-7B", ["GET", "HEAD"]),
        ("chat", "/v1/models/..%2f..%2fmetrics", []),
        ("chat", "/v1/models/../../metrics", []),
        ("chat", "/v1/models/a/%2e%2e/b", []),
        ("chat", "/v1/models/.hidden", []),
        ("chat", "/metrics/../v1/models", []),
        ("chat", "//v1/models", []),
        ("chat", "/v1/models/", []),
        ("chat", "/V1/models", []),
        ("chat", "/v1/models\n", []),
        ("chat", "/pause", []),
        ("chat", "/v1/load_lora_adapter", []),
        ("chat", "/invocations", []),
        ("chat", "/start_profile", []),
        ("chat", "/tokenize", ["POST"]),
    ],
)
def test_a_path_is_open_by_the_task_and_as_it_is_sent(task, target, methods):
    assert open_for(task, target) == methods


def test_a_path_of_the_settings_is_open_to_the_letter():
    assert open_for("chat", "/v1/load_lora_adapter", "/v1/load_lora_adapter") == ["*"]
    assert open_for("chat", "/v1/load_lora_adapterx", "/v1/load_lora_adapter") == []
    assert open_for("chat", "/aXb", "/a.b") == []


def test_keys_stand_in_one_place_whole_and_in_no_regular_expression():
    text = config_text()
    assert text.count(KEYS["ci"]) == 1
    assert json.dumps({"input": KEYS["ci"], "outputs": ["ci"]}) in text


@pytest.mark.parametrize("key", ['a"b', "a b", "a\nb", "a;b", "a$b", "{env.HOME}", ""])
def test_a_key_that_could_mean_something_else_is_refused(key):
    with pytest.raises(ValueError, match="openssl rand"):
        config_text(keys={"default": key})


def test_two_names_with_one_key_are_refused():
    with pytest.raises(ValueError, match="each its own"):
        config_text(keys={"a": "k" * 16, "b": "k" * 16})


def test_ranges_guard_api_page_and_metrics_each_by_its_own():
    page = Page(3000, 8180, ("192.0.2.0/24",))
    made = render(Config(KEYS, 8000, 8100, allowed_cidrs=["10.0.0.0/8"], metrics_cidrs=["10.9.0.0/16"], page=page))
    servers = made["apps"]["http"]["servers"]
    api, front = json.dumps(servers["api"]), json.dumps(servers["page"])
    assert ("10.0.0.0/8" in api, "10.9.0.0/16" in api, "192.0.2.0/24" in api) == (True, True, False)
    assert ("192.0.2.0/24" in front, "10.0.0.0/8" in front, "127.0.0.1:8180" in front) == (True, False, True)
    assert (servers["api"]["listen"], servers["page"]["listen"]) == ([":8000"], [":3000"])


def test_with_a_team_unknown_keys_that_begin_with_sk_are_litellm_s_and_the_others_stay_the_engine_s():
    keys = {"default": "sk-" + "k" * 16}
    servers = render(Config(keys, 8000, 8100, team=Page(4000, 4180, ("192.0.2.0/24",))))["apps"]["http"]["servers"]
    api = servers["api"]["routes"]
    (mapped,) = [each for route in api for each in route["handle"] if each["handler"] == "map"]
    assert mapped["mappings"] == [
        {"input": "sk-" + "k" * 16, "outputs": ["default"]},
        {"input_regexp": "^sk-", "outputs": ["team"]},
    ]
    by_anthropic, by_team, straight = api[-3:]
    assert all(each["vars"] == {"{key_name}": ["team"]} for each in by_anthropic["match"])
    assert by_anthropic["handle"][0]["handle_response"][0]["match"] == {"status_code": [401]}
    assert by_team["match"] == [{"vars": {"{key_name}": ["team"]}}]
    (to_litellm,), (to_engine,) = by_team["handle"], straight["handle"]
    dials = [proxy["upstreams"][0]["dial"] for proxy in (to_litellm, to_engine)]
    assert dials == ["127.0.0.1:4180", "127.0.0.1:8100"]
    dropped = [set(proxy["headers"]["request"]["delete"]) for proxy in (to_litellm, to_engine)]
    assert dropped[1] - dropped[0] == {"Authorization", "X-Api-Key"}
    assert "192.0.2.0/24" in json.dumps(servers["team"])
    assert "192.0.2.0/24" not in json.dumps(api)


def test_litellm_s_own_port_is_for_the_machine_alone_where_nobody_else_may_use_it():
    servers = render(Config(KEYS, 8000, 8100, team=Page(4000, 4180, ())))["apps"]["http"]["servers"]
    assert servers["team"]["listen"] == ["127.0.0.1:4000"]
    assert "remote_ip" not in json.dumps(servers["team"])


def test_the_log_and_the_metrics_are_there_only_when_they_are_wanted():
    assert '"logs": {}' in config_text()
    assert '"logs": {}' not in config_text(access_log=False)
    assert ('"/gateway/metrics' in config_text(), "^/gateway/metrics" in config_text(metrics_cidrs=["10.0.0.0/8"])) == (
        False,
        True,
    )


def test_tls_of_each_mode():
    assert "tls" not in render(Config(KEYS, 1, 2))["apps"]
    given = render(Config(KEYS, 1, 2, tls=Tls("given", "CERT", "KEY", name="10.0.0.1")))
    assert given["apps"]["tls"] == {"certificates": {"load_pem": [{"certificate": "CERT", "key": "KEY"}]}}
    policy = {"default_sni": "10.0.0.1", "fallback_sni": "10.0.0.1"}
    assert given["apps"]["http"]["servers"]["api"]["tls_connection_policies"] == [policy]
    acme = render(Config(KEYS, 1, 2, tls=Tls("acme", name="api.example", directory="https://ca/dir")))["apps"]["tls"]
    (issuer,) = acme["automation"]["policies"][0]["issuers"]
    assert (issuer["ca"], "profile" in issuer, acme["certificates"]) == (
        "https://ca/dir",
        False,
        {"automate": ["api.example"]},
    )
    address = render(Config(KEYS, 1, 2, tls=Tls("acme", name="192.0.2.1")))["apps"]["tls"]
    assert address["automation"]["policies"][0]["issuers"][0]["profile"] == "shortlived"


def test_every_answer_has_both_shapes_and_is_json():
    rows, of_team = errors.rows({}), errors.rows(errors.OF_TEAM)
    assert rows["502"][0] == rows["503"][0] == of_team["502"][0] == "503"
    assert "LiteLLM" not in str(rows)
    for row in (*rows.values(), *of_team.values()):
        for body in (errors.OPENAI_BODY, errors.ANTHROPIC_BODY):
            filled = body
            for name, value in zip(errors.FIELDS, row, strict=True):
                filled = filled.replace(name, value)
            answer = json.loads(filled)
            assert answer["error"]["message"].endswith(".")
            assert answer["error"]["type"]


def test_the_same_secret_gives_the_same_certificate_and_another_address_the_same_authority():
    one = certificate.make_pair("s" * 48, "t", ["10.0.0.1", "api.example"])
    assert one == certificate.make_pair("s" * 48, "t", ["10.0.0.1", "api.example", "10.0.0.1"])
    moved = certificate.make_pair("s" * 48, "t", ["10.0.0.2"])
    assert (moved.authority == one.authority, moved.key == one.key, moved.certificate == one.certificate) == (
        True,
        True,
        False,
    )
    for other in (certificate.make_pair("x" * 48, "t", ["10.0.0.1"]), certificate.make_pair("s" * 48, "t", ["a"], 2)):
        assert other.authority != one.authority
        assert other.key != one.key
    leaf, authority = x509.load_pem_x509_certificates(one.certificate.encode())
    leaf.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in names] == ["10.0.0.1", "api.example"]
    assert load_pem_private_key(one.key.encode(), None).public_key() == leaf.public_key()
    assert leaf.serial_number != authority.serial_number


def test_a_key_of_another_certificate_is_refused():
    one, other = (certificate.make_pair(letter * 48, "t", ["a"]) for letter in "xy")
    assert certificate.key_matches(one.certificate, one.key) == ""
    assert "is not the key of the certificate" in certificate.key_matches(one.certificate, other.key)
    assert "holds no certificate" in certificate.key_matches("nothing", one.key)
    assert "is no private key" in certificate.key_matches(one.certificate, one.certificate)
