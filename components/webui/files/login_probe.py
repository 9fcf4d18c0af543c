"""The first account logs in on Open WebUI's page, and sees the model there; called by components/webui/login.py."""

from __future__ import annotations

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

LOGIN_SECONDS = int(os.environ.get("TANDEM_LOGIN_SECONDS", "300"))
"""How long the page may take to come up: half a minute here, and its database comes first."""


def login(call: dict[str, Any]) -> str:
    """The first account logs in on the page, and sees the model there. Pages that only load don't count."""
    account = json.dumps({"email": call["email"], "password": call["password"]}).encode()
    verify = {name: call.get(name, "") for name in ("authority", "server")}
    deadline, tell = time.monotonic() + LOGIN_SECONDS, teller()
    while True:
        try:
            token = _fetch(f"{call['url']}/api/v1/auths/signin", "", account, **verify)["token"]
            seen = [str(model["id"]) for model in _fetch(f"{call['url']}/api/models", token, **verify)["data"]]
            if call["model"] in seen:
                return str(call["model"])
            reason = f"logged in, but the model is not in its list ({', '.join(seen) or 'empty'})"
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code}: {error.read(300).decode(errors='replace').strip()}"
            if error.code in (400, 401) and "password" in reason:
                raise Failure(
                    f"{call['url']}: the page refuses {call['email']} ({reason}); the first account keeps the password "
                    "it was made with: set webuiPassword to that, or change it on the page"
                ) from None
        except (OSError, ValueError, KeyError) as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise Failure(
                f"{call['url']}: the page did not show the model in {LOGIN_SECONDS} s ({reason}); see what it says on "
                "its machine, and that its port is open to this computer (webui.allowedCidrs)"
            )
        tell(f"logging in on {call['url']}: {reason}")
        time.sleep(2)


def _fetch(url: str, token: str, body: bytes | None = None, *, authority: str = "", server: str = "") -> Any:  # noqa: ANN401  # JSON is any
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # http(s) by construction
    with inference_probe.opener(authority, server).open(request, timeout=60) as response:
        return json.load(response)


if __name__ == "__main__":
    sys.exit(main(login))
