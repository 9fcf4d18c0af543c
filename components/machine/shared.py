"""Scripts that steps of several components source, by the name they have beside `lib.sh`: for `files` of a step."""

from __future__ import annotations

from components.machine.payload import FILES

PACKAGE_MANAGER = {name: FILES / name for name in ("package_manager.sh", "signing_key.py")}
PIP = {"pip.sh": FILES / "pip.sh"}
