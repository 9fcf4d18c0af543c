"""A split that settings leave open: what is chosen, that it stays, and what is said where none works."""

from typing import Any

import pytest

from planner import render
from stacks.load_settings import parse
from stacks.planning import plan_for
from stacks.settings.errors import SettingsError
from tests.support.stack_files import as_configuration, read

L20 = {"zone": "cn-hangzhou-h", "instanceType": "ecs.gn8is-2x.8xlarge"}


def without_serving(name: str, **changes: Any) -> dict[str, str]:
    return as_configuration({**{k: v for k, v in read(name).items() if k != "serving"}, **changes})


def refusal(values: dict[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse(values)
    return caught.value


def test_serving_left_out_is_split_as_by_hand_and_the_plan_says_why():
    settings = parse(without_serving("dev"))
    serving = settings.serving
    assert (serving.executor, serving.tensor_parallel_size, serving.pipeline_parallel_size) == ("mp", 2, 2)
    found = plan_for(settings)
    assert found is not None
    text = render(found)
    assert "tensor parallelism stays inside a machine" in text
    assert "at most TP2 PP2 0.9, TP1 PP4" in text


def test_the_same_settings_always_get_the_same_split():
    serving = {"split": "auto", "concurrency": 4, "maxModelLen": 8192}
    assert len({parse(without_serving("dev", serving=serving)).serving.model_dump_json() for _ in range(3)}) == 1


def test_what_is_given_is_kept_and_only_the_rest_is_chosen():
    assert (
        parse(without_serving("dev", serving={"split": "auto", "tensorParallelSize": 1})).serving.pipeline_parallel_size
        == 4
    )
    assert parse(without_serving("dev", serving={"pipelineParallelSize": 4})).serving.tensor_parallel_size == 1


def test_every_kind_of_machine_that_may_be_rented_must_take_the_split():
    cloud = read("dev")["cloud"]
    both = {**cloud, "candidates": [L20, {**L20, "instanceType": "ecs.gn7i-c32g1.16xlarge"}]}
    said = refusal(without_serving("dev", cloud=both))
    assert "serving.split: none works" in str(said)


def test_too_much_is_refused_with_the_nearest_that_fits_and_that_is_accepted():
    config: dict[str, Any] = {**read("dev"), "serving": {"concurrency": 100}}
    said = refusal(as_configuration(config))
    assert "serving.concurrency" in str(said)
    assert "nearest that works: " in str(said)
    for path, value in said.changes.items():
        section, key = path.split(".")
        config[section] = {**config[section], key: value}
    assert plan_for(parse(as_configuration(config)))


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        ("nobody/Nothing-7B", "model.config"),
        ("Qwen/Qwen2.5-72B-Instruct", "accelerator.gpu"),
    ],
)
def test_what_is_not_known_is_asked_for(model, setting):
    nvidia = {"kind": "nvidia", "perMachine": 2, "driver": "present"}
    changes = {"accelerator": nvidia, "model": {"source": "huggingface", "id": model}}
    said = str(refusal(without_serving("hosts", **changes)))
    parts = ("serving.split: is chosen by memory and speed", setting, "or set tensorParallelSize")
    assert all(part in said for part in parts), said


def test_a_word_for_the_engine_that_says_a_size_belongs_into_the_setting():
    said = refusal(without_serving("dev", serving={"arguments": ["--tensor-parallel-size=4"]}))
    assert said.changes == {"serving.arguments": [], "serving.tensorParallelSize": 4}
    assert "which is None" not in str(said)


def test_engines_that_lay_layers_out_have_a_stage_for_each_device():
    settings = parse(without_serving("local", serving={"engine": "llamacpp", "maxModelLen": 512}))
    assert (settings.serving.tensor_parallel_size, settings.serving.pipeline_parallel_size) == (1, settings.world_size)
