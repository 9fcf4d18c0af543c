"""Looks whether LiteLLM has its database and its model, and whether the gateway passes its port on. Python 3.8.

ready.py PORT INNER_PORT SCHEME MODEL    the master key on standard input; nothing on standard output once all is so,
                                         else what is missing, in a few words
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.error
import urllib.request

SECONDS = 20.0


def ask(url: str, key: str = "") -> dict[str, object]:
    """An answer. Of the gateway's certificate nothing is asked: it is for those outside, and this is loopback."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # our own http or https address
    with opener.open(request, timeout=SECONDS) as answer:
        found = json.load(answer)
    return found if isinstance(found, dict) else {}


def missing(port: str, inner_port: str, scheme: str, model: str, key: str) -> str:
    """What is not there yet; empty when everything is."""
    for what, base in (("LiteLLM", f"http://127.0.0.1:{inner_port}"), ("the gateway", f"{scheme}://127.0.0.1:{port}")):
        try:
            if ask(f"{base}/health/readiness").get("db") != "connected":
                return f"{what} answers, and has no database yet"
            listed = json.dumps(ask(f"{base}/v1/models", key))
        except urllib.error.HTTPError as error:
            return f"{what} answers HTTP {error.code}: {error.read(300).decode(errors='replace')}"
        except (OSError, ValueError) as error:
            return f"{what} does not answer ({error})"
        if f'"id": {json.dumps(model)}' not in listed:
            return f"{what} lists no model {model}"
    return ""


if __name__ == "__main__":
    port, inner_port, scheme, model = sys.argv[1:]
    print(missing(port, inner_port, scheme, model, sys.stdin.read().strip()))
