"""What a person reads: numbers of things, remedies in the caller's names, and a description of every field."""

import ast

import pytest

from planner import Change, PlanRequest, Refusal, catalog_model, owned, plan, processors, rented
from planner.__main__ import main
from planner.engine import Engine
from planner.pluralize import pluralize
from tests.support.paths import ROOT


def test_numbers_of_things_are_singular_and_plural():
    assert [pluralize(n, "machine") for n in (0, 1, 2, 1000)] == [
        "0 machines",
        "1 machine",
        "2 machines",
        "1,000 machines",
    ]


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (owned("L20", 4, 1), "1 machine with 4 x L20"),
        (owned("L20", 4, 2), "2 machines with 4 x L20 each"),
        (processors(4096, 1, 1), "1 machine without GPU"),
        (rented("ecs.gn8is-2x.8xlarge", 1), "1 x ecs.gn8is-2x.8xlarge, 2 x L20"),
    ],
)
def test_machines_read_well(cluster, words):
    assert cluster.words == words


def test_a_list_of_plans_names_machines_as_sentences_do(capsys):
    assert (
        main(["plan", "--model", "qwen3-8b", "--gpu", "L20", "--gpus-per-machine", "4", "--machines", "1", "--all"])
        == 0
    )
    assert "1 machine with 4 x L20" in capsys.readouterr().out


def test_one_device_holds_one_layer_or_many():
    request = PlanRequest(
        catalog_model("deepseek-r1-q4-k-m-gguf"),
        (owned("RTX-3090", 1, 1),),
        engine=Engine.LLAMACPP,
        arguments={"gpu_layers": "2"},
    )
    assert plan(request).estimate.summary("one machine").startswith("1 layer on 1 device, 60 on the processor")


SIZES = (Change("tensor_parallel_size", 4), Change("pipeline_parallel_size", 2))


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        (Refusal("c", "s", "r", "use more GPUs"), "use more GPUs"),
        (Refusal("c", "s", "r", changes=SIZES), "set TP to 4 and PP to 2"),
        (Refusal("c", "s", "r", "use more GPUs", SIZES[:1]), "set TP to 4, or use more GPUs"),
        (Refusal("c", "s", "r", changes=[Change("flag", False)]), "leave out flag"),
        (
            Refusal("c", "s", "r", changes=[*SIZES, Change("flag", "")], works="TP4 PP2, 1 machine"),
            "nearest that works: TP 4 and PP 2 and no flag (TP4 PP2, 1 machine)",
        ),
    ],
)
def test_a_remedy_is_rendered_from_its_changes_in_the_callers_names(refusal, remedy):
    names = {"tensor_parallel_size": "TP", "pipeline_parallel_size": "PP"}
    assert refusal.remedy_in(lambda c: Change(names.get(c.setting, c.setting), c.value)) == remedy


def test_every_field_of_a_public_dataclass_is_described():
    """In its class's `Attributes`."""
    missing = []
    for path in sorted((ROOT / "planner").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or not node.decorator_list:
                continue
            fields = [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
            text = ast.get_docstring(node) or ""
            missing += [f"{node.name}.{field}" for field in fields if f"\n    {field}: " not in text]
    assert missing == []
