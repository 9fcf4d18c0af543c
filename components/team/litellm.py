"""LiteLLM's configuration file as a pure function of its settings.

Reference: https://docs.litellm.ai/docs/proxy/config_settings; the names were read and run in 1.108.7.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MODES = {
    "chat": "chat",
    "completion": "completion",
    "embedding": "embedding",
    "rerank": "rerank",
    "transcription": "audio_transcription",
}
"""LiteLLM's name of what a model is for, by ours."""
USAGE_LOG_DAYS = 90
"""A row of the usage log is some 1 to 2 KiB a request; sums by key and day are kept for good."""


@dataclass(frozen=True)
class Price:
    """What a token counts against a budget, in the currency of the budgets.

    Attributes:
        input: a token of the prompt.
        output: a token of the answer.
    """

    input: float
    output: float


@dataclass(frozen=True)
class ProxyConfig:
    """LiteLLM's settings.

    Attributes:
        model: the engine's served name, which keys are made for.
        engine_port: the engine's API, on loopback.
        aliases: more names of the model.
        task: what the model is for.
        price: None counts nothing, so no budget is ever used up.
    """

    model: str
    engine_port: int
    aliases: Sequence[str] = ()
    task: str = "chat"
    price: Price | None = None


def render(config: ProxyConfig) -> dict[str, Any]:
    """The configuration file; secrets are in the environment (`render_environment`)."""
    info: dict[str, Any] = {"mode": MODES.get(config.task, "chat")}
    if config.price:
        info |= {"input_cost_per_token": config.price.input, "output_cost_per_token": config.price.output}
    engine = {
        "model": f"hosted_vllm/{config.model}",
        "api_base": f"http://127.0.0.1:{config.engine_port}/v1",
        "api_key": "none",  # the gateway asks for keys, and the engine's own port for none
    }
    return {
        "model_list": [{"model_name": config.model, "litellm_params": engine, "model_info": info}],
        "router_settings": {
            "model_group_alias": dict.fromkeys(config.aliases, config.model),
            # There is one engine: a failure is answered at once.
            "num_retries": 0,
            "disable_cooldowns": True,
        },
        "general_settings": {
            "master_key": "os.environ/LITELLM_MASTER_KEY",
            "database_url": "os.environ/DATABASE_URL",
            "maximum_spend_logs_retention_period": f"{USAGE_LOG_DAYS}d",
            # Whom the gateway names as the client is counted as one, for failed logins.
            "use_x_forwarded_for": True,
            "trusted_proxy_ranges": ["127.0.0.1/32"],
        },
    }


def render_environment(*, database_url: str, master_key: str, salt_key: str, base_url: str) -> str:
    """Lines for a shell."""
    variables = {
        "DATABASE_URL": database_url,
        "LITELLM_MASTER_KEY": master_key,
        "LITELLM_SALT_KEY": salt_key,
        "PROXY_BASE_URL": base_url,
        # The tables are made by a user who may write nowhere else.
        "LITELLM_MIGRATION_DIR": "/tmp/migrations",  # noqa: S108  # in its own container
        # Nothing is read from, or sent to, anybody outside.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "NO_DOCS": "True",
        "STORE_MODEL_IN_DB": "False",
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
