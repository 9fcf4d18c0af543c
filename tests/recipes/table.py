"""The table of recipes in docs/recipes.md: `python -m tests.recipes.table` writes it anew."""

from __future__ import annotations

from pathlib import Path

from planner import Refusal
from tests.paths import ROOT
from tests.recipes.recipes import RECIPES, Recipe

BEGIN, END = "<!-- table: python -m tests.recipes.table -->", "<!-- end of the table -->"
HEAD = ("recipe", "previewed", "planned", "words accepted by the engine's own parser", "came up on local machines as")


def page() -> Path:
    """Where the table stands."""
    return ROOT / "docs/recipes.md"


def planned(recipe: Recipe) -> str:
    """What the planner says of it."""
    try:
        found = recipe.plan()
    except Refusal:
        layers = recipe.entry().model.layers
        wanted, room = recipe.offloaded()
        return f"{wanted} of {layers} layers on accelerators, which hold {room}"
    assert found.memory
    price = f"CNY {found.price:.0f} an hour" if found.price else "own machines"
    return f"fits, TP{found.split.tensor} x PP{found.split.pipeline}; {price}"


def table() -> str:
    """Its lines."""
    rows = [HEAD, ("---",) * len(HEAD)]
    for recipe in RECIPES:
        by = recipe.by.partition("::")[0]
        rows.append((f"`{recipe.name}`", "yes", planned(recipe), recipe.parser, f"{recipe.shown} ({by})"))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """Writes the table into the page."""
    text = page().read_text()
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    page().write_text(f"{before}\n{table()}\n{after}")


if __name__ == "__main__":
    main()
