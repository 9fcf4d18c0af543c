"""The log of every call: one JSON object a line."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

from localcloud.cloud.cloud import stamp

HIDDEN = ("Password", "UserData", "Signature", "SignatureNonce", "SecurityToken")


class Journal:
    """Appends calls to a file; secrets and user data are left out."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.touch(mode=0o600)
        self._lock = threading.Lock()

    def write(self, product: str, action: str, params: Mapping[str, str], **facts: object) -> None:
        """One line; `facts` are status, code, milliseconds and the id of the request."""
        shown = {
            key: "***" if key in HIDDEN else value for key, value in params.items() if key not in ("Action", "Version")
        }
        line = json.dumps({"at": stamp(), "product": product, "action": action, **facts, "params": shown})
        with self._lock, self.file.open("a") as handle:
            handle.write(f"{line}\n")
