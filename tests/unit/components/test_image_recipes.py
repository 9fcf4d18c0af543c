"""Recipes of images hold together: what a Dockerfile names is there, and each of its arguments is given."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from components.images.complete_image import _files
from components.serving import EngineName, find_engine
from components.serving.engine import IMAGES
from stacks import versions

RECIPES = sorted(folder for folder in IMAGES.iterdir() if folder.name != "common")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda folder: folder.name)
def test_a_recipe_has_what_it_copies_and_gets_its_arguments(recipe) -> None:
    text = (recipe / "Dockerfile").read_text()
    there = {file.name for file in _files(recipe)} | {"pip.conf"}  # written on the machine
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M) for name in line.split()}
    assert copied <= there
    wanted = set(re.findall(r"^ARG (\w+)$", text, re.M))
    for arguments in (versions.IMAGE_ARGUMENTS[recipe.name], versions.CPU_IMAGE_ARGUMENTS.get(recipe.name)):
        assert arguments is None or wanted - {"BASE"} == set(arguments)
    # A password in the index's address is left behind: only a first stage has it.
    assert "pip.conf" not in text.rsplit("\nFROM ", 1)[1]
    assert text.rstrip().endswith("USER ${BASE_USER}")


def test_every_recipe_belongs_to_an_engine_and_every_engine_has_an_image() -> None:
    engines = [find_engine(name, "ray") for name in get_args(EngineName)]
    assert {engine.image_requirements.recipe for engine in engines} - {None} == set(RECIPES)
    assert set(versions.ENGINE_IMAGES) == set(get_args(EngineName))
    assert all("python3" in engine.image_requirements.programs for engine in engines)


def test_ray_is_asked_for_where_it_places_the_ranks_alone() -> None:
    assert find_engine("vllm", "ray").image_requirements.modules == ("ray",)
    assert find_engine("vllm", "mp").image_requirements == type(find_engine("vllm", "mp").image_requirements)(
        ("python3", "vllm")
    )
