"""What the gateway says itself, in the words of the OpenAI API, and the paths it lets through."""

from __future__ import annotations

import json

PATHS = (
    r"/v1/(chat/completions|completions|embeddings|responses|rerank|score|messages|audio/transcriptions|models(/.*)?)"
)


def _answer(message: str, kind: str, code: str) -> str:
    return json.dumps({"error": {"message": message, "type": kind, "code": code}})


REFUSED = "invalid_request_error"
ANSWERS = {
    401: _answer("Wrong or missing API key: send Authorization: Bearer KEY.", REFUSED, "invalid_api_key"),
    403: _answer("This address may not use this deployment.", REFUSED, "address_not_allowed"),
    404: _answer("No such path here; see /v1/models and /v1/chat/completions.", REFUSED, "not_found"),
    411: _answer("Send the request with one Content-Length.", REFUSED, "length_required"),
    413: _answer("The request is longer than 64 MiB.", REFUSED, "request_too_large"),
    503: _answer(
        "The engine is not up: it is starting, or coming up again.", "server_error", "engine_unavailable"
    ),
}  # fmt: skip
