"""Every recipe comes up on this computer, reduced, and goes again; some minutes each."""

from __future__ import annotations

import pytest

from tests.recipes.bring_up import bring_up
from tests.recipes.recipes import RECIPES

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.long]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_comes_up_answers_and_leaves_nothing(recipe, tmp_path):
    made = bring_up(recipe.name, tmp_path)
    assert made["characters"] > 0
