"""Has the model do what it is for, through the URL that the user gets; tokens, a vector or scores count."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

for part in ("machine", "serving"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / part / "files"))

import inference_probe  # noqa: E402  # these lie in folders that are no packages
from openssh import Failure  # noqa: E402
from probe import main, teller  # noqa: E402

SECONDS = int(os.environ.get("TANDEM_ASK_SECONDS", "120"))
"""How long a gateway and an engine that is ready may take."""
FINAL = (400, 404, 405, 422)
"""What waiting doesn't mend."""


def sentence(call: dict[str, Any], heard: dict[str, Any]) -> str:
    """Why nothing came, by the best answer there was."""
    url, task, code, said = call["url"], heard["task"], heard["code"], heard["said"]
    if not code and "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            f"{url}: the certificate there is not the gateway's ({said}); where somebody else has TLS before it, set "
            "gateway.tls: none, and otherwise see who answers at that address"
        )
    if not code:
        return (
            f"{url}: nothing answers here in {SECONDS} s ({said}); the engine answers on its machine, so open the "
            "gateway's port to this computer, or set gateway.url to the address it is reached by"
        )
    refusals = {
        401: "the gateway refuses the key ({}); run `pulumi up` again, which brings it the key",
        403: "this computer may not use the URL ({}); add its address to gateway.allowedCidrs",
    }
    if code in refusals:
        return f"{url}: {refusals[code].format(f'HTTP {code}: {said}')}"
    if 400 <= code < 500:
        return f"{url}: a {task} was refused (HTTP {code}: {said}); {inference_probe.remedy(task, code, said)}"
    why = said if code == 200 else f"HTTP {code}: {said}"
    return f"{url}: no {task} came back in {SECONDS} s ({why}); see what the engine says on its machine"


def ask(call: dict[str, Any]) -> str:
    """What the model made.

    Args:
        call: `url` (ending in /v1), `model`, `key` and `task`; `authority` and `server` as in
            `inference_probe.opener`.

    Raises:
        Failure: nothing that counts came in time.
    """
    deadline = time.monotonic() + SECONDS
    best: dict[str, Any] | None = None
    tell = teller()
    while True:
        heard = inference_probe.ask(
            call["url"],
            call["model"],
            call.get("task") or "chat",
            call["key"],
            seconds=60,
            authority=call.get("authority", ""),
            server=call.get("server", ""),
        )
        if heard["good"]:
            return str(heard["said"])
        # An answer says more than a connection that failed later.
        best = heard if heard["code"] or best is None else best
        if time.monotonic() > deadline or heard["code"] in FINAL:
            raise Failure(sentence(call, best))
        tell(f"request to {call['model']} through {call['url']}: {heard['said'][:200]}")
        time.sleep(2)


if __name__ == "__main__":
    sys.exit(main(ask))
