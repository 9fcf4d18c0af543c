"""One file without outside parts, light and dark, for a screen, a phone and paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from planner.engine import Engine
from planner.page import figures
from planner.plan import Plan
from planner.render import clock, money, span
from planner.vllm.estimate import ReservedEstimate


def page(chosen: Plan, others: Sequence[Plan] = ()) -> str:
    """The page's text.

    Args:
        chosen: the plan that it draws.
        others: all that fit, cheapest first, for the price against concurrency.
    """
    return templates().get_template("page.html.j2").render(drawn(chosen, others))


def templates(*folders: Path) -> Environment:
    """Templates of these folders, which may extend page.html.j2, and that one."""
    # Names of models and machines are users' words.
    environment = Environment(
        loader=FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"clock": clock, "money": money, "span": span}
    return environment


def drawn(chosen: Plan, others: Sequence[Plan] = ()) -> dict[str, Any]:
    """What page.html.j2 draws; arguments as of `page`."""
    request, estimate = chosen.request, chosen.estimate
    reserved = estimate if isinstance(estimate, ReservedEstimate) else None
    choices = figures.choices(chosen, others)
    return {
        "plan": chosen,
        "engine": f"{request.engine} {request.engine_version}" if request.engine is Engine.VLLM else request.engine,
        "split": reserved.split if reserved else None,
        "placement": "" if reserved else getattr(estimate, "placement", ""),
        "memory": reserved.memory if reserved else None,
        "throughput": reserved.throughput if reserved else None,
        "bars": figures.bars(chosen),
        "machines": figures.topology(chosen),
        "spans": figures.spans(chosen),
        "choices": sorted(choices, key=lambda choice: choice.chosen),  # drawn last, on top
        "frontier": figures.frontier(choices),
    }
