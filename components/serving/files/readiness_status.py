"""What ready.sh decides by, from two files of JSON, as lines NAME=VALUE: one start of Python a look.

    readiness_status.py ANSWER GROUP

ANSWER is what `inference_probe.py ask` printed, GROUP the supervisor's own file; either may be missing or half written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LINE, SENTENCE = 300, 900
"""Characters of what is said of stalled ranks: as progress, and as the reason in the end."""


def read(path: str) -> dict[str, Any]:
    """An object; an empty one where there is none."""
    try:
        with Path(path).open() as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def main(words: list[str]) -> None:
    """Prints the lines; a value is one line, `true` or `false`, or nothing."""
    answer, group = read(words[0]), read(words[1])
    end = group.get("exit") or {}
    ranks = sorted((group.get("stalled") or {}).values(), key=lambda one: -one["seconds"])
    stalled = "; ".join(
        "rank {rank} on {machine} has stood still for {seconds} s: {where}".format(**one) for one in ranks
    )
    found = {
        "good": answer.get("good"),
        "task": answer.get("task"),
        "code": answer.get("code"),
        "said": answer.get("said"),
        "exits": group.get("exits"),
        "error": group.get("error"),
        "rank": end.get("rank"),
        "machine": end.get("machine"),
        "exit": end.get("code"),
        "stalled": stalled[:LINE],
        "stalled_in_full": stalled[:SENTENCE],
    }
    for name, value in found.items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        print(f"{name}={' '.join(text.split())}")


if __name__ == "__main__":
    main(sys.argv[1:])
