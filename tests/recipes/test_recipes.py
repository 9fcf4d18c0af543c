"""Each recipe is planned, previewed by the real engine without an account or a machine, and has a row in the table."""

from __future__ import annotations

import importlib
import json
import os
import subprocess

import pytest
import yaml

import toolchain
from planner import Refusal
from tests.paths import ROOT
from tests.recipes.recipes import RECIPES
from tests.recipes.table import BEGIN, END, page, table


def ids(recipe):
    return recipe.name


def test_every_stack_file_but_the_local_ones_is_a_recipe():
    files = {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")}
    assert files - {"local", "hosts", "test"} == {recipe.name for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_a_recipe_fits(recipe):
    """The planner agrees; where llama.cpp and Ollama leave layers to the processor, those on devices fit."""
    settings = recipe.settings()
    if settings.serving.engine in ("llamacpp", "ollama"):
        with pytest.raises(Refusal, match="a device would hold"):
            recipe.plan()
        wanted, room = recipe.offloaded()
        assert 0 < wanted <= room
        return
    plan = recipe.plan()
    assert (plan.split.tensor, plan.split.pipeline) == (
        settings.serving.tensor_parallel_size,
        settings.serving.pipeline_parallel_size,
    )
    assert plan.memory.max_concurrency >= 1


@pytest.mark.parametrize("recipe", RECIPES, ids=ids)
def test_what_brings_its_engine_up_exists(recipe):
    file, _, name = recipe.by.partition("::")
    module = importlib.import_module(f"tests.e2e.{file.removesuffix('.py')}")
    assert callable(getattr(module, name))


def test_the_table_is_the_one_that_is_made():
    text = page().read_text()
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip() == table().strip(), (
        "write it anew: python -m tests.recipes.table"
    )


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

    def preview(recipe):
        config = yaml.safe_load((ROOT / f"Pulumi.{recipe.name}.yaml").read_text())
        file = folder / f"{recipe.name}.yaml"
        file.write_text(json.dumps({**salt, "config": config["config"]}))
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
