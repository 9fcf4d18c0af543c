"""Prints the oracle's table for docs/oracle.md: each architecture, its rows, and the largest difference among them.

python -m tests.oracle.table > docs/oracle.md
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from planner.catalog.architectures import architectures
from tests.oracle.planned import ANSWERS, CASES, OFF, planned_bytes, planned_caches

HEAD = """# The oracle's table

What vLLM {version}'s own classes answered on the meta device (CPU build, no weight, no GPU), beside what the planner
counts for the same config.json and split. Weights: the largest difference of any stage. KV cache: bytes of a token and
of a request's state on every stage, or blocks and requests that the engine cuts from 20 GiB. Refused: the engine
refuses the split, and so does the planner. `python -m tests.oracle.table > docs/oracle.md` makes this page from
`tests/oracle/answers.json`.

{rows} rows over {count} of the {known} architectures that the planner has rules for.

| Architecture | rows | weights, at most | KV cache exact | refused |
|---|---|---|---|---|"""


def difference(name: str) -> float:
    """The largest relative difference of a stage's weights."""
    planned, engine = planned_bytes(CASES[name]), ANSWERS[name]["stage_bytes"]
    assert not isinstance(planned, str)
    return max(float(abs(p / e - 1)) for p, e in zip(planned, engine, strict=True))


def page() -> str:
    """The whole page."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, answer in ANSWERS.items():
        if "unsupported" not in answer:
            rows[CASES[name]["config"]["architectures"][0]].append(answer)
    lines = [
        HEAD.format(
            version=next(iter(ANSWERS.values()))["engine"],
            rows=sum(map(len, rows.values())),
            count=len(rows),
            known=len(architectures()),
        )
    ]
    for architecture in sorted(rows):
        given = rows[architecture]
        counted = [a["name"] for a in given if "stage_bytes" in a]
        kept = [a["name"] for a in given if "token_bytes" in a]
        exact = sum(planned_caches(CASES[n]) == (ANSWERS[n]["token_bytes"], ANSWERS[n]["state_bytes"]) for n in kept)
        cut = sum(bool(a.get("kv_cache")) and "token_bytes" not in a for a in given)
        worst = f"{max(map(difference, counted)):.3%}" if counted else "-"
        lines.append(
            f"| {architecture} | {len(given)} | {worst} | {exact + cut} of {len(kept) + cut} "
            f"| {len(given) - len(counted)} |"
        )
    lines += ["", *(f"- {name}: up to {share:.1%}, {why}" for name, (share, why) in OFF.items())]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(page(), end="")
