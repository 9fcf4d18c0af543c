"""Findings for people: what is wrong in detail, what is right as a count."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence

from stacks.doctor.examined import Examined
from stacks.doctor.finding import Finding, Severity

WIDTH = 110
WRONG = (Severity.ERROR, Severity.WARNING)


def lines(findings: Sequence[Finding], *, every: bool = False) -> Iterator[str]:
    """A line an area, and below it what is wrong there; with `every` also what could not be checked, and why."""
    areas: dict[str, list[Finding]] = {}
    for each in findings:
        areas.setdefault(each.id.partition(".")[0], []).append(each)
    for area, found in areas.items():
        counts = {kind: sum(each.severity is kind for each in found) for kind in Severity}
        yield f"{area:<13}" + ", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count)
        for each in _together(found):
            if each.severity in WRONG or (every and each.severity is Severity.NOT_CHECKED):
                yield from _lines(each)


def _together(findings: Sequence[Finding]) -> list[Finding]:
    """Those of one cause as one: sixteen machines that lack the same take one line."""
    found: dict[tuple[str, Severity, str], Finding] = {}
    for each in findings:
        key = (each.id, each.severity, each.cause)
        same = found.get(key)
        found[key] = dataclasses.replace(same, where=f"{same.where}, {each.where}") if same else each
    return list(found.values())


def _lines(each: Finding) -> Iterator[str]:
    head = f"  {each.severity.value:<11} {each.id}" + (f"  {each.where}" if each.where else "")
    yield head
    for mark, text in (("", each.cause), ("mend: ", each.remedy)):
        if text:
            yield textwrap.fill(
                f"{mark}{text}",
                WIDTH,
                initial_indent=" " * 14,
                subsequent_indent=" " * (14 + len(mark)),
                break_long_words=False,
                break_on_hyphens=False,
            )


def answered(machines: Sequence[Examined]) -> str:
    """The machines that were looked at, by name."""
    names = ", ".join(each.name for each in machines if each.facts) or "no machine"
    return textwrap.fill(
        f"{'looked at':<13}{names}", WIDTH, subsequent_indent=" " * 13, break_long_words=False, break_on_hyphens=False
    )


def summary(findings: Sequence[Finding], machines: Sequence[Examined], seconds: float) -> str:
    """The last line."""
    errors, warnings = (sum(each.severity is kind for each in findings) for kind in WRONG)
    skipped = sum(each.severity is Severity.NOT_CHECKED for each in findings)
    more = f", {skipped} not checked (--all says why)" if skipped else ""
    looked = f"; {sum(bool(each.facts) for each in machines)} of {len(machines)} machines looked at" if machines else ""
    return f"{errors} errors, {warnings} warnings{more}{looked}; {seconds:.0f} s"
