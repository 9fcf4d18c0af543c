"""Each recipe is planned, previewed by the real engine without an account or a machine, and has a row in the table."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest
import yaml

import toolchain
from planner import OffloadEstimate
from stacks.load_settings import parse
from stacks.planning import plan_for, unplanned
from tests.recipes.bring_up import records, whole_records
from tests.recipes.recipes import RECIPES
from tests.recipes.reduced import has_whole_shape, reduce
from tests.recipes.table import page, written
from tests.recipes.untried import UNTRIED
from tests.support.paths import ROOT
from tests.support.stack_files import all_stack_files, read, stack_file


def ids(recipe):
    return recipe.name


def test_every_stack_file_but_the_local_ones_is_a_recipe():
    files = {path.stem.removeprefix("Pulumi.") for path in all_stack_files()}
    assert files - {"local", "hosts"} == {recipe.name for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_a_recipe_fits(recipe):
    """The planner agrees; llama.cpp and Ollama leave layers to the processor, and those on devices fit."""
    settings, plan = recipe.settings(), recipe.plan()
    if settings.serving.engine in ("llamacpp", "ollama"):
        layers = plan.estimate
        assert isinstance(layers, OffloadEstimate)
        assert len(layers.layers) == settings.world_size
        assert 0 < layers.host_layers < plan.request.model.model.layers
        rooms = [device.total for device in plan.cluster.ranked]
        assert all(w + c < room for w, c, room in zip(layers.weights, layers.cache, rooms, strict=True))
        return
    assert (plan.estimate.split.tensor, plan.estimate.split.pipeline) == (
        settings.serving.tensor_parallel_size,
        settings.serving.pipeline_parallel_size,
    )
    assert plan.estimate.memory.max_concurrency >= 1


@pytest.mark.long  # bring-ups take minutes each; what is old is said to be in docs/recipes.md, which a test compares
@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_a_recipe_as_it_is_now_came_up(recipe):
    """Reduced, on machines of some computer: the record is of these very settings."""
    record = records().get(recipe.name, {})
    assert record.get("settings") == reduce(read(recipe.name)).digest, (
        f"{recipe.name} or its reduction has changed since it came up: python -m tests.recipes.bring_up {recipe.name}, "
        "then python -m tests.recipes.table"
    )
    assert record["characters"] > 0


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_a_reduced_recipe_is_the_recipe_but_for_its_changes(recipe):
    """Each change has a reason; nothing else differs; platform, engine, launcher, gateway and hub are the recipe's."""
    config, reduced = read(recipe.name), reduce(read(recipe.name))
    assert all(change.why for change in reduced.changes)
    changed = {change.setting for change in reduced.changes}
    before, after = flat(config), flat(reduced.config)
    differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert {key for key in differing if not any(key == c or key.startswith(f"{c}.") for c in changed)} == set()
    assert not changed & {"platform", "runtime", "model.source", "serving.engine", "serving.executor", "gateway.port"}
    parsed = parse(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in reduced.config.items()}
    )
    assert parsed.accelerator.kind == "cpu"
    assert parsed.model.name == recipe.settings().model.name
    assert plan_for(parsed) or unplanned(parsed)


@pytest.mark.parametrize("recipe", [r for r in RECIPES if has_whole_shape(read(r.name))], ids=ids)
def test_in_its_own_shape_a_recipe_keeps_machines_and_accelerators(recipe):
    config, whole = read(recipe.name), reduce(read(recipe.name), whole=True).config
    assert whole["accelerator"] == config["accelerator"]
    assert [machine["name"] for machine in whole["machines"]] == [machine["name"] for machine in config["machines"]]
    same = {key: value for key, value in config["serving"].items() if key != "environment"}
    assert {k: v for k, v in whole["serving"].items() if k not in ("environment", "collective")} == same


@pytest.mark.long  # bring-ups take minutes each; what is old is said to be in docs/recipes.md, which a test compares
@pytest.mark.parametrize("recipe", [r for r in RECIPES if has_whole_shape(read(r.name))], ids=ids)
def test_a_recipe_came_up_in_its_own_shape(recipe):
    """On machines that show its GPUs: the record is of these very settings."""
    assert whole_records().get(recipe.name, {}).get("settings") == reduce(read(recipe.name), whole=True).digest, (
        f"{recipe.name} or its own shape has changed since it came up: python -m tests.recipes.bring_up --whole "
        f"{recipe.name}, then python -m tests.recipes.table"
    )


def flat(value, path=""):
    """Settings by their paths; a list is one value."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for key, each in value.items() for k, v in flat(each, f"{path}.{key}".lstrip(".")).items()}


def test_what_could_not_be_tried_is_said_of_every_recipe():
    assert list(UNTRIED) == [recipe.name for recipe in RECIPES]


def test_the_tables_are_those_that_are_made():
    assert page().read_text() == written(page().read_text()), "write them anew: python -m tests.recipes.table"


@pytest.fixture(scope="module")
def pulumi(tmp_path_factory):
    """The real engine with a stack of its own, a user's key and known hosts; no account, no machine."""
    folder = tmp_path_factory.mktemp("recipes")
    ssh = folder / "home/.ssh"
    ssh.mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / "id_ed25519"], check=True)
    _, key, _ = (ssh / "id_ed25519.pub").read_text().split(maxsplit=2)
    hosts = [machine.address for recipe in RECIPES for machine in recipe.settings().machines]
    (ssh / "known_hosts").write_text("".join(f"{host} ssh-ed25519 {key}\n" for host in sorted(set(hosts))))
    (folder / "stacks").mkdir()
    environment = {**os.environ, **toolchain.environment(), "PULUMI_CONFIG_PASSPHRASE": "test"}
    environment |= {"HOME": str(folder / "home"), "PULUMI_BACKEND_URL": f"file://{folder / 'stacks'}"}
    for name in [
        name for name in environment if name.startswith(("ALIBABA", "ALICLOUD", "PULUMI_CONFIG_PASSPHRASE_F"))
    ]:
        del environment[name]

    def command(*words):
        return subprocess.run(
            ["pulumi", "--non-interactive", "--color", "never", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    written = ROOT / "Pulumi.recipe-test.yaml"
    try:
        made = command("stack", "init", "recipe-test")
        salt = yaml.safe_load(written.read_text()) if written.exists() else {}
    finally:
        written.unlink(missing_ok=True)
    assert made.returncode == 0, made.stderr

    def preview(recipe, text=None):
        file = folder / f"{recipe.name}.yaml"
        file.write_text(f"{text or stack_file(recipe.name).read_text()}{yaml.safe_dump(salt) if salt else ''}")
        return command("preview", "--json", "--stack", "recipe-test", "--config-file", str(file))

    return preview


@pytest.mark.engine
@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_a_recipe_previews_without_an_account(pulumi, recipe):
    done = pulumi(recipe)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    steps = json.loads(done.stdout)["steps"]
    made = [step["newState"] for step in steps if step["op"] == "create"]
    # Containers, or processes where there are none.
    kind = "docker:index/container:Container" if recipe.settings().runtime == "docker" else "command:remote:Command"
    names = [state["urn"].rsplit("::", 1)[1] for state in made if state["type"] == kind]
    assert sum(name.endswith("-engine") for name in names) == len(recipe.words())
    assert any(name.endswith("-gateway") or name == "gateway" for name in names)


@pytest.mark.engine
def test_a_recipe_whose_split_is_left_open_previews_with_the_one_by_hand(pulumi):
    recipe = next(each for each in RECIPES if each.name == "rtx3090-vllm")
    text, sizes = re.subn(r"\n    (tensor|pipeline)ParallelSize: \d+", "", stack_file(recipe.name).read_text())
    assert sizes == 2
    done = pulumi(recipe, text)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert "tensor parallelism stays inside a machine" in done.stdout
    serving = recipe.settings().serving
    assert f"TP{serving.tensor_parallel_size} x PP{serving.pipeline_parallel_size}" in done.stdout
