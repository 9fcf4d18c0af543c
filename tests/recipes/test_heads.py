"""Each recipe filled in as its head says: accepted, planned or refused with the reason, and declared whole."""

from __future__ import annotations

import itertools
import json

import pulumi
import pytest

from planner import render
from stacks.deployment import deploy
from stacks.load_settings import parse
from stacks.planning import plan_for, unplanned
from tests.recipes.heads import advice, filled_in
from tests.recipes.recipes import RECIPES
from tests.support.graph import Answers, Recorder

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
    """Its own shape, every combination of its head's advice."""
    settings = parse(filled_in(name, *pieces))
    found = plan_for(settings)
    assert found is not None, unplanned(settings)
    assert found.cluster.accelerators == settings.world_size
    assert render(found)


@pytest.mark.parametrize(
    "recipe", [recipe for recipe in RECIPES if recipe.name != "dev"], ids=lambda recipe: recipe.name
)
def test_a_recipe_with_all_its_advice_is_declared_whole(recipe, tmp_path):
    """On mocks, on its own shape: a process of the engine on each machine that has one, and the gateway.

    The graph of dev, which asks an account first, is in tests/unit/stacks/test_cloud_graph.py.
    """
    key, known = tmp_path / "key", tmp_path / "known_hosts"
    key.write_text("PRIVATE")
    config = filled_in(recipe.name, *advice(recipe.name))
    hosts = [machine.address for machine in parse(config).machines]
    ports = {machine.address: machine.port for machine in parse(config).machines}
    names = [host if ports[host] == 22 else f"[{host}]:{ports[host]}" for host in hosts]
    known.write_text("".join(f"{name} ssh-ed25519 AAAA\n" for name in names))
    config["ssh"] = json.dumps({"privateKeyFile": str(key), "knownHostsFile": str(known)})
    settings = parse(config)
    monitor = Recorder(Machines())
    pulumi.runtime.set_mocks(Machines(), project="tandem", stack="t", monitor=monitor)

    @pulumi.runtime.test
    async def run():
        return pulumi.Output.all(**await deploy(settings, api_key=None, hub_token=None))

    run()
    engines = [name for name in monitor.seen if name.endswith("-engine")]
    assert len(engines) >= len(recipe.words())
    assert "gateway" in monitor.seen


class Machines(Answers):
    """Machines of the recipes' kinds."""

    def new_resource(self, args):
        found, outputs = super().new_resource(args)
        machines_say = not args.name.endswith("-made") and args.inputs.get("create") != "cat"
        if args.typ.startswith("command:") and machines_say:
            outputs["stdout"] += " gpus=8 hca= infiniband=no devices=/dev/davinci0"
        return found, outputs


def test_heads_have_advice():
    assert sum(bool(advice(recipe.name)) for recipe in RECIPES) >= 6
