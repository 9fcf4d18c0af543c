"""Scripts that steps of several components source, by the name they have beside `lib.sh`: for `files` of a step."""

from __future__ import annotations

from components.machine.payload import FILES

PACKAGE_MANAGER = {"package_manager.sh": FILES / "package_manager.sh"}
PIP = {"pip.sh": FILES / "pip.sh"}
