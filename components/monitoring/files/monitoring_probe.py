"""Monitoring shows its rules with the login and nothing without it, and each program of it answers.

Called by components/monitoring/login.py, with `user`, `password` and `grafana` (whether there is one) beside the URL.
"""

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

import inference_probe  # noqa: E402  # these lie in folders that are no packages
from openssh import Failure  # noqa: E402
from probe import main, teller  # noqa: E402

SECONDS = int(os.environ.get("TANDEM_LOGIN_SECONDS", "120"))
"""How long its programs may take to come up: seconds, or minutes where Prometheus reads a long log of its own first."""
PROGRAMS = {
    "alertmanager": "Alertmanager",
    "gpu": "the exporter of GPUs",
    "keys": "what counts requests by key",
    "node": "node exporter",
    "prometheus": "Prometheus",
    "relay": "the alerts' relay",
}
"""Prometheus' jobs that look at a program of monitoring's own; what it watches besides may be down."""


def look(call: dict[str, Any]) -> str:
    """How many rules there are."""
    deadline, tell = time.monotonic() + SECONDS, teller()
    before: dict[str, str] = {}
    while True:
        try:
            rules = _fetch(call, "/prometheus/api/v1/rules", login=True)["data"]["groups"]
            if not _requires_login(call):
                raise Failure(f"{call['url']}: shows everybody what only the login may see; run `pulumi up` again")
            reason = silent(call, before)
            if not reason:
                return str(sum(len(group["rules"]) for group in rules))
        except urllib.error.HTTPError as error:
            reason = f"Prometheus does not answer: HTTP {error.code}"
            if error.code in (401, 403):
                raise Failure(
                    f"{call['url']}: the gateway refuses {'this computer' if error.code == 403 else 'the login'} "
                    f"(HTTP {error.code}); add its address to gateway.allowedCidrs, or run `pulumi up` again"
                ) from None
        except (OSError, ValueError, KeyError) as error:
            reason = f"Prometheus does not answer: {error}"
        if time.monotonic() > deadline:
            raise Failure(
                f"{call['url']}: after {SECONDS} s {reason}; `make logs` shows what it says itself: mend that, and run "
                "`pulumi up` again"
            )
        tell(f"looking at {call['url']}: {reason}")
        time.sleep(2)


def silent(call: dict[str, Any], before: dict[str, str]) -> str:
    """Which program of monitoring's does not answer, and why; empty when all do.

    Args:
        call: as `look` has it.
        before: when each was asked last as it was first seen, filled here: an answer of before `up` tells nothing.
    """
    targets = _fetch(call, "/prometheus/api/v1/targets?state=active", login=True)["data"]["activeTargets"]
    own = [target for target in targets if target["labels"]["job"] in PROGRAMS]
    old = [one for one in own if before.setdefault(one["scrapeUrl"], one["lastScrape"]) == one["lastScrape"]]
    for target in own:
        if target["health"] != "up":
            why = target["lastError"] or "it was not asked yet"
            return f"{PROGRAMS[target['labels']['job']]} on {target['labels']['machine']} does not answer ({why})"
    for target in old:
        return f"{PROGRAMS[target['labels']['job']]} on {target['labels']['machine']} was not asked again yet"
    written = _fetch(call, "/prometheus/api/v1/query?query=tandem_accelerators", login=True)["data"]["result"]
    known = {sample["metric"]["machine"] for sample in written}
    for target in own:
        if target["labels"]["job"] == "node" and target["labels"]["machine"] not in known:
            return f"state.py on {target['labels']['machine']} has written nothing"
    if call["grafana"]:
        try:
            _fetch(call, "/api/health", login=True)
        except (OSError, ValueError) as error:
            return f"Grafana does not answer ({error})"
    return ""


def _requires_login(call: dict[str, Any]) -> bool:
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
    opener = inference_probe.opener(call.get("authority", ""), call.get("server", ""))
    with opener.open(request, timeout=60) as response:
        return json.load(response)


if __name__ == "__main__":
    sys.exit(main(look))
