"""LiteLLM's configuration, as a pure function of its settings."""

from __future__ import annotations

import shlex

import pytest

from components.team.litellm import Price, ProxyConfig, render, render_environment


def test_the_engine_is_asked_on_loopback_by_its_served_name():
    (entry,) = render(ProxyConfig("big", 8100, ["gpt-4o"], price=Price(1e-6, 2e-6)))["model_list"]
    assert entry["model_name"] == "big"
    assert entry["litellm_params"]["model"] == "hosted_vllm/big"
    assert entry["litellm_params"]["api_base"] == "http://127.0.0.1:8100/v1"
    assert entry["model_info"] == {"mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}


def test_aliases_are_the_same_model_and_a_failure_is_not_asked_again():
    router = render(ProxyConfig("big", 8100, ["gpt-4o", "claude"]))["router_settings"]
    assert router["model_group_alias"] == {"gpt-4o": "big", "claude": "big"}
    assert router["num_retries"] == 0


@pytest.mark.parametrize(("task", "mode"), [("embedding", "embedding"), ("transcription", "audio_transcription")])
def test_the_mode_is_that_of_the_model_s_task_and_without_a_price_nothing_is_counted(task, mode):
    (entry,) = render(ProxyConfig("m", 1, task=task))["model_list"]
    assert entry["model_info"] == {"mode": mode}


def test_secrets_are_in_the_environment_alone_and_quoted_for_a_shell():
    secret = {"master_key": "sk-$x'y", "salt_key": "sk-s", "database_url": "postgresql://l:p@127.0.0.1:1/litellm"}
    text = render_environment(**secret, base_url="https://h:4000")
    found = dict(word.split("=", 1) for word in shlex.split(text))
    assert found["LITELLM_MASTER_KEY"] == "sk-$x'y"
    assert found["DATABASE_URL"] == secret["database_url"]
    assert not any(value in str(render(ProxyConfig("m", 1))) for value in secret.values())
