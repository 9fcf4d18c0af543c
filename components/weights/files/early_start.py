"""Ends when the download of the weights beside it is expected to end within so many seconds, or has ended.

Environment: SECONDS_BEFORE, and lib.sh's TANDEM_DIR and TANDEM_HOME. Reads what the step `weights` tells
programs: progress.json, result, error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

MEANINGFUL = 0.01
"""A rate means something after the first percent."""


def newest(steps: Path) -> Path | None:
    """The folder of the weights' step that runs or ran last."""
    folders = [f for f in steps.iterdir() if f.is_dir()] if steps.is_dir() else []
    return max(folders, key=lambda folder: folder.stat().st_mtime, default=None)


def seconds_left(folder: Path | None) -> float | None:
    """Until the weights' last byte; None while nobody knows."""
    if folder is None:
        return None
    if (folder / "result").exists():
        return 0.0
    try:
        state = json.loads((folder / "progress.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    known = state["verb"] == "downloading" and state["done"] >= MEANINGFUL * state["total"]
    return state["seconds_left"] if known else None


def main() -> int:
    """Writes the result, or the sentence why there won't be one."""
    here, before = Path(os.environ["TANDEM_DIR"]), float(os.environ["SECONDS_BEFORE"])
    while True:
        folder = newest(Path(os.environ["TANDEM_HOME"]) / "steps/weights")
        if folder is not None and (error := folder / "error").exists() and error.stat().st_size:
            (here / "error").write_text(f"the weights could not be downloaded: {error.read_text()}")
            return 1
        left = seconds_left(folder)
        if left is not None and left <= before:
            (here / "result").write_text(f"left={left:.0f}\n")
            return 0
        shown = "not begun" if left is None else f"{left:.0f} s left"
        (here / "status").write_text(f"waiting until the weights are {before:.0f} s from their end ({shown})\n")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
