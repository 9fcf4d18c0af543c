"""A split that settings leave open: what is chosen, that it stays, and what is said where none works."""

from typing import Any

import pytest

from planner import render
from planner.plan import attempt
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


def planned_refusal(**changes: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        plan_for(parse(without_serving("dev", **changes)))
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


def test_each_candidate_is_looked_at_once_and_the_chosen_one_again_for_its_plan(monkeypatch):
    tried: list[str] = []

    def counted(request, cluster, split):
        tried.append(split.short)
        return attempt(request, cluster, split)

    monkeypatch.setattr("planner.search.attempt", counted)
    settings = parse(without_serving("dev"))
    candidates = list(tried)
    assert len(candidates) > 3
    assert len(set(candidates)) == len(candidates)
    found = plan_for(settings)
    assert found is not None
    assert tried[len(candidates) :] == ["TP2 PP2"]
    assert found.why


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


def test_tensorrt_llms_split_is_chosen_checked_and_planned():
    """It has no data parallel ranks; the plan is by its own rules and flags, and says that nothing was measured."""
    serving = {"engine": "tensorrt-llm", "maxModelLen": 8192, "arguments": ["--max_batch_size", "64"]}
    settings = parse(without_serving("dev", serving=serving))
    chosen = settings.serving
    assert (chosen.executor, chosen.tensor_parallel_size, chosen.pipeline_parallel_size) == ("mp", 2, 2)
    assert chosen.data_parallel_size == 1
    found = plan_for(settings)
    assert found is not None
    assert "tensorrt-llm" in render(found)
    assert any("not measured" in note for note in found.notes)


def test_what_tensorrt_llm_cannot_have_is_refused_before_anything_is_created():
    serving = {"engine": "tensorrt-llm", "tensorParallelSize": 2, "pipelineParallelSize": 2}
    awq = {"source": "modelscope", "id": "Qwen/Qwen2.5-72B-Instruct-AWQ"}
    said = planned_refusal(model=awq, serving=serving)
    assert "quantized with awq, which TensorRT-LLM 1.2 doesn't read" in str(said)
    assert said.changes == {"serving.engine": "vllm"}
    share = {**serving, "arguments": ["--kv_cache_free_gpu_memory_fraction", "2"]}
    said = planned_refusal(serving=share)
    assert "serving.arguments: --kv_cache_free_gpu_memory_fraction: is '2'" in str(said)
    assert said.changes == {"serving.arguments": ["--kv_cache_free_gpu_memory_fraction=0.9"]}
    assert planned_refusal(serving={**serving, "maxModelLen": 32768, "concurrency": 100}).changes


def test_a_file_of_its_arguments_is_named_as_not_counted():
    serving = {
        "engine": "tensorrt-llm",
        "tensorParallelSize": 2,
        "pipelineParallelSize": 2,
        "arguments": ["--config", "/mnt/tandem/models/serve.yaml"],
    }
    found = plan_for(parse(without_serving("dev", serving=serving)))
    assert found is not None
    assert any("--config changes memory in a way that isn't counted" in note for note in found.notes)
