"""What the gateway answers by itself: one table, in the shape of OpenAI's API and in that of Anthropic's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Error:
    """One kind of answer.

    Attributes:
        message: cause and remedy, one sentence.
        openai: `error.type` of OpenAI's API, and `error.code`.
        anthropic: `error.type` of Anthropic's API.
        status: sent instead of the code that Caddy has for it; 0 for the same.
    """

    message: str
    openai: tuple[str, str]
    anthropic: str = "invalid_request_error"
    status: int = 0


RETRY_AFTER = "30"
"""Seconds after which a client may ask again while the engine is not up: one of some GB starts in a minute or two."""
INVALID = "invalid_request_error"
ENGINE_DOWN = Error(
    "The engine is not up: it is starting, or coming up again; try again in a minute.",
    ("server_error", "engine_unavailable"),
    "overloaded_error",
    503,
)
ERRORS: dict[int, Error] = {
    400: Error("The request could not be read.", (INVALID, "bad_request")),
    401: Error(
        "Wrong or missing API key: send Authorization: Bearer KEY, or x-api-key: KEY.",
        (INVALID, "invalid_api_key"),
        "authentication_error",
    ),
    403: Error("This address may not use this deployment.", (INVALID, "address_not_allowed"), "permission_error"),
    404: Error(
        "No such path here; see /v1/models and /v1/chat/completions.", (INVALID, "not_found"), "not_found_error"
    ),
    405: Error("This path has no such method.", (INVALID, "method_not_allowed")),
    408: Error("The request did not arrive in time.", (INVALID, "request_timeout")),
    413: Error("The request is longer than gateway.maxRequestMib.", (INVALID, "too_large"), "request_too_large"),
    502: ENGINE_DOWN,
    503: ENGINE_DOWN,
    504: Error("The engine did not answer in time.", ("server_error", "engine_timeout"), "timeout_error"),
}
TEAM_DOWN = Error(
    "LiteLLM, which knows this key, is not up: it is starting, or coming up again; try again in a minute.",
    ("server_error", "team_unavailable"),
    "overloaded_error",
    503,
)
OF_TEAM: dict[int, Error] = {502: TEAM_DOWN, 503: TEAM_DOWN}
"""Instead of those of ERRORS, where LiteLLM was asked."""
OTHER = Error("The gateway failed; its log on the machine says why.", ("server_error", "gateway_error"), "api_error")
OPENAI_BODY = '{"error": {"message": "{message}", "type": "{openai_type}", "param": null, "code": "{openai_code}"}}'
ANTHROPIC_BODY = '{"type": "error", "error": {"type": "{anthropic_type}", "message": "{message}"}}'
FIELDS = ("{status}", "{message}", "{openai_type}", "{openai_code}", "{anthropic_type}")


def rows(changed: Mapping[int, Error]) -> dict[str, list[str]]:
    """Values of FIELDS by the code that Caddy has for an error; `""` is for every other one.

    Args:
        changed: instead of those of ERRORS.
    """
    listed = {**ERRORS, **changed, 0: OTHER}
    return {
        str(code) if code else "": [
            str(error.status or code) if code else "{http.error.status_code}",
            error.message,
            *error.openai,
            error.anthropic,
        ]
        for code, error in listed.items()
    }
