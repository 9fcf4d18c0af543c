"""Whether an engine that makes no tokens is to be started again, and which rank it is that stands still or loops."""

from __future__ import annotations

import os
import re
from typing import Any

import liveness
import stall_detector
from group import BEAT

LOOP = float(os.environ.get("TANDEM_LOOP_SECONDS", "300"))
"""Seconds without a token after which an engine is started again whose ranks all compute: a long prompt on processors,
or one step of it, takes no longer."""
DELAY = liveness.SAMPLE + stall_detector.SAMPLE + 2 * BEAT
"""Seconds of silence until all ranks look, and the first one knows what another one has seen."""
WAITS = re.compile(r"all_?reduce|all_?gather|broadcast|barrier|recv|dequeue|acquire_read|synchronize|select|poll", re.I)
"""Where a rank stands that waits for another one."""


def find(tokens: liveness.Liveness, ranks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What to say when the engine is to be started again; None while a question may only wait its turn.

    Args:
        tokens: what is known of them.
        ranks: reports of ranks, as `report` makes them.

    Returns:
        why: a sentence; and of the rank that the others wait for: rank, machine, where.
    """
    seen = [one for one in ranks if _enough(tokens, one)]
    if not seen:
        return None
    return _stall(f"no token for {tokens.silent():.0f} s", ranks)


def find_held(ranks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """As `find`, of an engine that does not serve yet: one that loads may wait for its storage, but a process that the
    kernel holds does not go on by itself."""
    held = [one for one in ranks if one.get("kind") == "held" and one["seconds"] >= stall_detector.LIMIT]
    return _stall("it starts", held) if held else None


def _stall(what: str, ranks: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = sorted(ranks, key=_innocence)
    why = f"{what}: " + "; ".join(map(sentence, [first, *others])) + "; starting the engine again"
    return {"why": why, **{name: first[name] for name in ("rank", "machine", "where")}}


def report(
    place: tuple[int, str, int], watch: stall_detector.StallDetector, pids: list[int], *, silent: bool, where: str = ""
) -> dict[str, Any]:
    """How a rank is; `seconds` is 0 for one that gives signs.

    Args:
        place: rank, machine, and data parallel rank or -1.
        watch: what was seen of it.
        pids: its processes.
        silent: the engine served and makes no tokens, so that computing alone is no good sign.
        where: they stand, where that is known; looked up otherwise.
    """
    seconds = watch.stalled_seconds() or (watch.computing_seconds() if silent else 0.0)
    found: dict[str, Any] = {"rank": place[0], "machine": place[1], "data": place[2], "seconds": round(seconds)}
    if seconds:
        kind = "held" if watch.held else "" if watch.stalled_seconds() else "computes"
        found.update(where=where or watch.where(pids), kind=kind)
    return found


def sentence(one: dict[str, Any]) -> str:
    """What a report says."""
    does = "computes and gets nowhere" if one.get("kind") == "computes" else "gives no sign"
    return f"rank {one['rank']} on {one['machine']} {does} ({one['where'][:300]})"


def _enough(tokens: liveness.Liveness, one: dict[str, Any]) -> bool:
    """Whether this rank's report and the silence are enough. A data parallel rank that nobody asks anything gives no
    sign either."""
    limits = {"held": stall_detector.HELD, "computes": max(LOOP, liveness.LIMIT)}
    limit = limits.get(one.get("kind", ""), liveness.LIMIT)
    return one.get("data", -1) in (-1, *tokens.silent_ranks(limit + DELAY)) and tokens.silent() >= limit + DELAY


def _innocence(one: dict[str, Any]) -> tuple[bool, bool, bool, int]:
    """Whom the others wait for comes first: one that the kernel holds, one that loops, one that waits for nobody."""
    kind = one.get("kind", "")
    return kind != "held", kind != "computes", WAITS.search(one["where"]) is not None, one["rank"]
