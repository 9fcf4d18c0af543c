"""Monitoring shows its rules with the login and nothing without it; called by components/monitoring/login.py."""

from __future__ import annotations

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

for part in ("machine", "serving"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / part / "files"))

import question  # noqa: E402  # these lie in folders that are no packages
from openssh import Failure  # noqa: E402
from probe import main, teller  # noqa: E402

SECONDS = int(os.environ.get("TANDEM_LOGIN_SECONDS", "120"))
"""How long Prometheus may take to come up: seconds, and minutes where it reads a long log of its own first."""


def look(call: dict[str, Any]) -> str:
    """How many rules there are."""
    deadline, tell = time.monotonic() + SECONDS, teller()
    while True:
        try:
            rules = _fetch(call, "/prometheus/api/v1/rules", login=True)["data"]["groups"]
            if _refused(call):
                return str(sum(len(group["rules"]) for group in rules))
            raise Failure(f"{call['url']}: shows everybody what only the login may see; run `pulumi up` again")
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code}"
            if error.code in (401, 403):
                raise Failure(
                    f"{call['url']}: the gateway refuses {'this computer' if error.code == 403 else 'the login'} "
                    f"({reason}); add its address to gateway.allowedCidrs, or run `pulumi up` again"
                ) from None
        except (OSError, ValueError, KeyError) as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise Failure(
                f"{call['url']}: Prometheus did not answer in {SECONDS} s ({reason}); see what it says on the first "
                "machine (`make logs`)"
            )
        tell(f"looking at {call['url']}: {reason}")
        time.sleep(2)


def _refused(call: dict[str, Any]) -> bool:
    """Whether nobody sees it without the login."""
    try:
        _fetch(call, "/prometheus/api/v1/rules", login=False)
    except urllib.error.HTTPError as error:
        return error.code == 401
    return False


def _fetch(call: dict[str, Any], path: str, *, login: bool) -> Any:  # noqa: ANN401  # JSON is any
    word = base64.b64encode(f"{call['user']}:{call['password']}".encode()).decode()
    headers = {"Authorization": f"Basic {word}"} if login else {}
    request = urllib.request.Request(call["url"] + path, headers=headers)  # noqa: S310  # http(s) by construction
    with question.opener(call.get("authority", ""), call.get("server", "")).open(request, timeout=60) as response:
        return json.load(response)


if __name__ == "__main__":
    sys.exit(main(look))
