"""The tables of recipes in docs/recipes.md: `python -m tests.recipes.table` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from planner import OffloadEstimate
from tests.recipes.bring_up import records, whole_records
from tests.recipes.recipes import RECIPES, Recipe
from tests.recipes.reduced import has_whole_shape, reduce
from tests.recipes.untried import UNTRIED
from tests.support.paths import ROOT
from tests.support.stack_files import read

BEGIN, END = "<!-- {}: python -m tests.recipes.table -->", "<!-- end of {} -->"
HEAD = ("recipe", "previewed", "planned", "words accepted by", "came up here", "engine", "completion", "own shape")
UNTRIED_HEAD = ("recipe", "not tried", "put in place", "one command", "look at")


def page() -> Path:
    """Where the tables stand."""
    return ROOT / "docs/recipes.md"


def planned(recipe: Recipe) -> str:
    """What the planner says of it."""
    found = recipe.plan()
    estimate = found.estimate
    if isinstance(estimate, OffloadEstimate):
        total = found.request.model.model.layers
        return (
            f"{sum(estimate.layers)} of {total} layers on accelerators; {estimate.host / 2**30:.0f} GiB in the first "
            "machine's own memory"
        )
    price = f"CNY {found.price:.0f} an hour" if found.price else "own machines"
    return f"fits, TP{estimate.split.tensor} x PP{estimate.split.pipeline}; {price}"


def came_up(name: str) -> tuple[str, str, str]:
    """When, how long it took, as what, and what was said; of these settings only."""
    record, reduced = records().get(name, {}), reduce(read(name))
    if record.get("settings") != reduced.digest:
        return "not as it is now" if record else "not yet", "", ""
    serving, machines = reduced.config["serving"], record["machines"]
    split = f"TP{serving['tensorParallelSize']} x PP{serving['pipelineParallelSize']}"
    when = f"{record['date']}: {machines} machine{'s' * (machines > 1)}, {split}, {record['upSeconds']} s"
    engine = f"real: {record['engine']}" if record["real"] else f"stand-in of {record['engine']}"
    begins = re.sub(r"[^ -{}~]", "?", record["begins"])
    return when, engine, f"{record['characters']} characters: `{begins}`"


def whole(name: str) -> str:
    """The recipe in its own shape; of these settings only."""
    config, record = read(name), whole_records().get(name)
    if not has_whole_shape(config):
        return "no: machines here show GPUs only where Docker is and nothing is rented"
    if record is None or record["settings"] != reduce(config, whole=True).digest:
        return "not yet"
    each = config["accelerator"]["perMachine"]
    return f"{record['date']}: {record['machines']} x {each} GPUs, {record['upSeconds']} s: `{record['begins']}`"


def tables() -> dict[str, str]:
    """Their lines, by name."""
    rows = []
    for recipe in RECIPES:
        rows.append(
            (f"`{recipe.name}`", "yes", planned(recipe), recipe.parser, *came_up(recipe.name), whole(recipe.name))
        )
    rest = [
        (f"`{name}`", each.what, each.place, f"`pulumi up --stack {name}`", each.look) for name, each in UNTRIED.items()
    ]
    return {"recipes": drawn(HEAD, rows), "untried": drawn(UNTRIED_HEAD, rest)}


def drawn(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def written(text: str) -> str:
    """The page with its tables as they are made."""
    for name, table in tables().items():
        begin, end = BEGIN.format(name), END.format(name)
        text = f"{text[: text.index(begin) + len(begin)]}\n{table}\n{text[text.index(end) :]}"
    return text


def main() -> None:
    """Writes the tables into the page."""
    page().write_text(written(page().read_text()))


if __name__ == "__main__":
    main()
