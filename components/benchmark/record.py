"""Benchmarks kept on this computer, each beside its plan and compared with the one before it.

A record is what files/benchmark_result.py makes, and more:

    date, engine, mode, tool, version, image, arguments    of what was measured, and with what
    error, missing     why nothing was measured, or why the levels named there were not; empty where all was
    levels             streams, input_tokens, output_tokens, requests, failed, seconds, tokens_per_second,
                       requests_per_second, ttft_ms, ttft_p99_ms, itl_ms, itl_p99_ms (medians and 99th percentiles);
                       planned: tokens_per_second at most; changed: percent against the record before it
    compared           date, version and image of the record before it; empty for the first
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Planned = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""Of a level: `tokens_per_second` at most; empty where nothing is counted."""
COMPARED = ("tokens_per_second", "ttft_ms", "itl_ms")
LENGTH = ("streams", "input_tokens", "output_tokens")
SAME = 3.0
"""Percent that one run differs from the next by itself."""


def folder_of(stack: str) -> Path:
    """Where a stack's records and reports lie: TANDEM_STATE, else XDG's folder for state.

    Args:
        stack: the deployment's own name, PROJECT-STACK.
    """
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    base = os.environ.get("TANDEM_STATE") or f"{state}/tandem"
    return Path(base).expanduser() / "measured" / stack


def report_file(stack: str) -> Path:
    """Where a stack's report lies; the argument as of `folder_of`."""
    return folder_of(stack) / "report.html"


def records(stack: str) -> list[Record]:
    """All that are kept of a stack, oldest first."""
    files = sorted((folder_of(stack) / "benchmarks").glob("*.json"))
    return [json.loads(file.read_text()) for file in files]


def save(stack: str, measured: Mapping[str, Any], planned: Planned, *, written: bool = True) -> Record:
    """Compares with the last that has a level of the same length, and writes it; measured once is one file.

    Args:
        stack: the deployment's own name.
        measured: as benchmark_result.py makes it.
        planned: the plan's figures of a level.
        written: false for a look at what would be.
    """
    before = [
        each
        for each in records(stack)
        if each["date"] < measured["date"] and any(_same(a, b) for a in each["levels"] for b in measured["levels"])
    ]
    last = before[-1] if before else None
    found: Record = {**measured, "levels": [_level(each, planned, last) for each in measured["levels"]]}
    found["compared"] = {name: last[name] for name in ("date", "version", "image")} if last else {}
    if written:
        file = folder_of(stack) / "benchmarks" / f"{measured['date'].replace(':', '')}.json"
        write(file, json.dumps(found, indent=1))
    return found


def write(file: Path, text: str) -> None:
    """Writes a file whole or not at all, for its owner alone: arguments of an engine may be secret."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def _level(level: Mapping[str, Any], planned: Planned, last: Record | None) -> Record:
    same = [each for each in last["levels"] if _same(each, level)] if last else []
    changed = {
        name: round(100 * (level[name] / before[name] - 1), 1)
        for before in same
        for name in COMPARED
        if before.get(name) and level.get(name)
    }
    return {**level, "planned": dict(planned(level)), "changed": changed}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[name] == other[name] for name in LENGTH)


def lines(record: Record) -> list[str]:
    """A line a level, and one for each thing that was not measured; for people."""
    if record["error"]:
        return [f"not measured: {record['error']}"]
    head = f"{record['engine']} {record['version']}".strip()
    return [
        *(f"measured ({head}): {_line(level, record['compared'].get('date', ''))}" for level in record["levels"]),
        *(f"not measured: {name}: {why}" for name, why in record["missing"].items()),
    ]


def _line(level: Mapping[str, Any], since: str) -> str:
    streams = f"{level['streams']} stream{'s' if level['streams'] > 1 else ''}"
    text = (
        f"{streams} of {level['input_tokens']} + {level['output_tokens']} tokens: {level['tokens_per_second']:,.1f} "
        "tokens/s"
    )
    if level["planned"]:
        bound = level["planned"]["tokens_per_second"]
        text += f" (plan: at most {bound:,.1f}; {100 * level['tokens_per_second'] / bound:.0f} %)"
    text += f", first token after {level['ttft_ms']:,.0f} ms (p99 {level['ttft_p99_ms']:,.0f})"
    text += f", {level['itl_ms']:.1f} ms between tokens (p99 {level['itl_p99_ms']:.1f})"
    if level["failed"]:
        text += f", {level['failed']} of {level['requests'] + level['failed']} requests failed"
    return text + (f"; {change(level['changed']['tokens_per_second'])} {since[:10]}" if level["changed"] else "")


def change(percent: float) -> str:
    """How a rate has changed, in words."""
    if abs(percent) < SAME:
        return "as fast as on"
    return f"{abs(percent):.0f} % {'faster' if percent > 0 else 'slower'} than on"
