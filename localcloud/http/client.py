"""Requests to our own servers on this computer: no proxy stands between."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(
    url: str,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = 30.0,
) -> tuple[int, Any]:
    """Sends JSON, unless it is None; returns status and the JSON of the answer.

    Raises:
        OSError: nobody answers there within the time.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, dict(headers or {}), method=method)  # noqa: S310 - http to our own
    try:
        with _OPENER.open(request, timeout=seconds) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
