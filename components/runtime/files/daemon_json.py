"""Adds registries to Docker's daemon.json, keeping what stands there, and takes them away again.

daemon_json.py merge | restore; prints changed or same. The file as it was lies beside this one.
"""

import json
import os
import shutil
import sys
from pathlib import Path

CONFIG = Path("/etc/docker/daemon.json")
BEFORE = Path(__file__).with_suffix(".before")


def merge() -> str:
    """Adds the registries of the environment; the first time, what was there is kept."""
    text = CONFIG.read_text() if CONFIG.exists() else ""
    settings = json.loads(text) if text.strip() else {}
    wanted = dict(settings)
    for key, variable in (
        ("registry-mirrors", "REGISTRY_MIRRORS"),
        ("insecure-registries", "INSECURE_REGISTRIES"),
    ):
        values = [*settings.get(key, []), *os.environ.get(variable, "").split()]
        if values:
            wanted[key] = list(dict.fromkeys(values))
    if wanted == settings:
        return "same"
    if text and not BEFORE.exists():
        shutil.copy(CONFIG, BEFORE)
    CONFIG.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = CONFIG.with_suffix(".new")
    new.write_text(json.dumps(wanted, indent=2) + "\n")
    new.chmod(0o644)
    new.replace(CONFIG)
    return "changed"


def restore() -> str:
    """Puts back what `merge` found, or removes a file that wasn't there."""
    if BEFORE.exists():
        shutil.copy(BEFORE, CONFIG)
    else:
        CONFIG.write_text("{}\n")  # a reload keeps the old registries when the file is missing
    return "changed"


if __name__ == "__main__":
    print({"merge": merge, "restore": restore}[sys.argv[1]]())
