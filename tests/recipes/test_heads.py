"""Each recipe as its head tells a user to fill it in: accepted, planned or told why not, and declared whole."""

from __future__ import annotations

import itertools

import pytest

from stacks.planning import plan_for, unplanned
from stacks.settings import parse
from tests.recipes.heads import advice, filled_in
from tests.recipes.recipes import RECIPES

WAYS = [
    pytest.param(recipe.name, pieces, id=f"{recipe.name}-{number}")
    for recipe in RECIPES
    for number, pieces in enumerate(
        way
        for count in range(len(advice(recipe.name)) + 1)
        for way in itertools.combinations(advice(recipe.name), count)
    )
]


@pytest.mark.parametrize(("name", "pieces"), WAYS)
def test_a_recipe_filled_in_as_its_head_says_goes_through(name, pieces):
    """Its own shape, every combination of its head's advice; TensorRT-LLM alone isn't counted."""
    settings = parse(filled_in(name, *pieces))
    found = plan_for(settings)
    if settings.serving.engine == "tensorrt-llm":
        assert found is None
        assert "can't count tensorrt-llm" in (unplanned(settings) or "")
        return
    assert found is not None, unplanned(settings)
    assert found.cluster.accelerators == settings.world_size
    assert found.render()


def test_heads_have_advice():
    assert sum(bool(advice(recipe.name)) for recipe in RECIPES) >= 6
