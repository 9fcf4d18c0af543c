"""The plan as a page: what it draws adds up, and the file stands alone."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from planner.__main__ import main
from planner.cluster import owned, rented
from planner.engine import Engine
from planner.llamacpp.estimate import OffloadEstimate
from planner.model.entry import find_model
from planner.page import figures, page
from planner.plan import Plan
from planner.request import PlanRequest
from planner.search import find_plans, plan


@pytest.fixture(scope="module")
def found() -> list[Plan]:
    clusters = tuple(rented("ecs.gn8is-2x.8xlarge", n) for n in (2, 3, 4))
    return find_plans(PlanRequest(find_model("qwen2.5-72b-instruct"), clusters, concurrency=2)).plans


def test_bars_are_whole_and_say_what_the_plan_says(found):
    chosen = found[0]
    for bar, rank in zip(figures.bars(chosen), chosen.estimate.memory.ranks, strict=True):
        assert sum(part.share for part in bar.parts) == pytest.approx(100)
        held = {part.name: part.gib for part in bar.parts}
        assert held["KV cache"] * figures.GIB == pytest.approx(rank.kv_cache)
        assert sum(held.values()) * figures.GIB == pytest.approx(rank.total)


def test_every_rank_has_its_cell_on_its_machine_and_what_is_left_is_unused():
    request = PlanRequest(find_model("qwen2.5-72b-instruct"), (owned("L20-48GB", 3, 2),), tensor_parallel_size=4)
    machines = figures.topology(plan(request))
    labels = [[cell.label for cell in cells] for _, cells in machines]
    assert labels == [["PP0 TP0", "PP0 TP1", "PP0 TP2"], ["PP0 TP3", "", ""]]


def test_the_timeline_ends_at_the_right_edge(found):
    spans = figures.spans(found[0])
    assert max(span.left + span.width for span in spans) == pytest.approx(100)
    assert {span.name for span in spans if span.critical} == set(found[0].timeline.critical_path)


def test_the_table_has_what_serves_more_than_all_that_cost_no_more(found):
    choices = figures.choices(found[0], found)
    assert len(choices) == len(found)
    kept = figures.frontier(choices)
    for each in kept:
        cheaper = [c.concurrency for c in choices if c.price <= each.price and c is not each]
        assert each.chosen or each.concurrency >= max(cheaper, default=0)
    assert [each.chosen for each in kept].count(True) == 1


def test_layers_on_devices_are_drawn_too():
    model = find_model("qwen2.5-72b-instruct")
    request = PlanRequest(model, (owned("RTX3090-24GB", 8, 1),), engine=Engine.LLAMACPP)
    chosen = plan(request)
    bars = figures.bars(chosen)
    assert isinstance(chosen.estimate, OffloadEstimate)
    assert [bar.label for bar in bars][-1] == "the first machine's own memory"
    assert len(bars) == len(chosen.estimate.layers) + 1
    assert all(sum(part.share for part in bar.parts) == pytest.approx(100) for bar in bars)
    assert "layers on" in page(chosen)


def test_the_file_stands_alone_and_a_name_is_no_markup(found, tmp_path):
    chosen = replace(found[0], request=replace(found[0].request, model=named(found[0], "<script>alert(1)</script>")))
    text = page(chosen, found)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"""(src|href)=|url\(|@import|https?://""", text)


def named(chosen: Plan, name: str):
    return chosen.request.model._replace(name=name)


def test_the_command_writes_it_and_refuses_a_place_that_can_t_be_written(tmp_path, capsys):
    words = [
        "plan",
        "--model",
        "qwen2.5-72b-instruct",
        "--gpu",
        "L20-48GB",
        "--gpus-per-machine",
        "4",
        "--machines",
        "1",
    ]
    file = tmp_path / "plan.html"
    assert main([*words, "--html", str(file)]) == 0
    assert file.read_text().startswith("<!doctype html>")
    assert main([*words, "--html", str(tmp_path)]) == 2
    assert "html: " in capsys.readouterr().err
