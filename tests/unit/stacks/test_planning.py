"""The plan before any resource: from settings to a plan, and refusals in the words of settings."""

import json
import re
from typing import Any

import pulumi
import pytest

from planner import ReservedEstimate
from planner.catalog.models import model_config
from stacks.load_settings import parse
from stacks.planning import plan_for, summary, unplanned
from stacks.settings.errors import SettingsError
from tests.support.settings import stack
from tests.unit.stacks.generated import refusals


def refusal(name: str, **changes: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        plan_for(parse(stack(name, **changes)))
    return str(caught.value)


def machines(instance_type: str) -> list[dict[str, str]]:
    return [{"zone": "cn-hangzhou-h", "instanceType": instance_type}]


def test_the_dev_stack_is_planned_as_it_was_deployed_by_hand():
    found = plan_for(parse(stack("dev")))
    assert found is not None
    assert (found.estimate.split.tensor, found.estimate.split.pipeline, found.cluster.accelerators) == (2, 2, 4)
    assert found.price > 0
    assert isinstance(found.estimate, ReservedEstimate)
    assert found.estimate.memory.max_concurrency >= 1
    # 145 GB at the fetcher's 100 Mbit/s take longer than all the rest.
    download = next(step for step in found.timeline.steps if step.name == "download")
    assert download.seconds > found.timeline.seconds / 2
    assert "\n" not in summary(found)


@pytest.mark.parametrize("name", ["local", "hosts"])
def test_stacks_without_accelerators_are_planned_too(name):
    found = plan_for(parse(stack(name)))
    assert found is not None
    assert found.cluster.device.name == "cpu"
    assert isinstance(found.estimate, ReservedEstimate)
    assert found.estimate.memory.ranks[0].kv_cache == 134217728
    assert 30 < found.timeline.seconds < 300


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"serving": {"maxModelLen": 131072}}, ["serving.maxModelLen: is 131072", "works: serving.maxModelLen 32768"]),
        (
            {"cloud": {"candidates": machines("ecs.gn7i-c32g1.16xlarge")}},
            ["33.9 GiB of weights and has 22.2 GiB", "model.id Qwen/Qwen2.5-72B-Instruct-AWQ"],
        ),
        (
            {"cloud": {"candidates": machines("ecs.g7.large")}},
            ["accelerator.kind: is nvidia, and ecs.g7.large has no GPU", "set it to cpu"],
        ),
        (
            {"cloud": {"candidates": machines("ecs.gn8is-4x.16xlarge")}},
            ["accelerator.perMachine: is 2", "has 4 x L20; set it to 4"],
        ),
        (
            {
                "cloud": {"candidates": machines("ecs.gn6v-c8g1.2xlarge")},
                "accelerator": {"perMachine": 1},
                "serving": {"tensorParallelSize": 1},
                "model": {"id": "Qwen/Qwen2.5-7B-Instruct"},
            },
            ["cloud.candidates: V100-16GB has compute capability 7.0", "0.19.0"],
        ),
        ({"serving": {"arguments": ["--kv-cache-dtype=fp9"]}}, ["serving.arguments: --kv-cache-dtype: is 'fp9'"]),
        ({"model": {"config": "/nowhere/config.json"}}, ["model.config: /nowhere/config.json", "give the path"]),
    ],
)
def test_what_cannot_work_is_refused_in_the_words_of_the_settings(changes, parts):
    message = refusal("dev", **changes)
    assert "nothing was created or changed" in message
    for part in parts:
        assert part in message


def test_every_kind_of_machine_that_may_be_rented_must_fit():
    message = refusal(
        "dev", cloud={"candidates": [*machines("ecs.gn8is-2x.8xlarge"), *machines("ecs.gn7i-c32g1.16xlarge")]}
    )
    assert "has 22.2 GiB" in message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"id": "nobody/Nothing-7B"}}, "model.config: .* has no nobody/Nothing-7B; give the path"),
        ({"model": {"source": "path", "id": "/mnt/tandem/models/m"}}, "model.config: .* give the path"),
        ({"cloud": {"candidates": machines("ecs.new.large")}}, "cloud.candidates: .* has no ecs.new.large"),
    ],
)
def test_what_is_not_known_is_no_mistake_and_says_what_to_give(changes, said):
    settings = parse(stack("dev", **changes))
    assert plan_for(settings) is None
    assert re.match(said, unplanned(settings) or "")


def test_gpus_of_ones_own_are_planned_by_their_name():
    nvidia = {"kind": "nvidia", "perMachine": 1}
    settings = parse(stack("hosts", accelerator=nvidia))
    assert plan_for(settings) is None
    assert "accelerator.gpu" in (unplanned(settings) or "")
    found = plan_for(parse(stack("hosts", accelerator={**nvidia, "gpu": "RTX-4090"})))
    assert found is not None
    assert found.cluster.device.name == "RTX-4090"


def test_the_cpu_builds_own_variable_sizes_the_kv_cache():
    environment = {"arguments": ["--enforce-eager"], "environment": {"VLLM_CPU_KVCACHE_SPACE": "2"}}
    found = plan_for(parse(stack("hosts", serving=environment)))
    assert found is not None
    assert isinstance(found.estimate, ReservedEstimate)
    assert found.estimate.memory.ranks[0].kv_cache == 2 * 2**30


def test_a_config_file_is_enough_for_any_model(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(model_config("qwen2.5-72b-instruct")))
    found = plan_for(parse(stack("dev", model={"id": "nobody/Nothing-72B", "config": str(config)})))
    named = plan_for(parse(stack("dev")))
    assert found is not None
    assert named is not None
    assert found.estimate == named.estimate


@pytest.mark.parametrize(
    "changes",
    [
        {
            "accelerator": {"perMachine": 4},
            "cloud": {"machines": 8, "candidates": machines("ecs.gn8is-4x.16xlarge")},
            "serving": {"tensorParallelSize": 32, "pipelineParallelSize": 1},
            "model": {"id": "deepseek-ai/DeepSeek-R1"},
        },
        {"model": {"id": "deepseek-ai/DeepSeek-R1"}},
        {"serving": {"tensorParallelSize": 1, "pipelineParallelSize": 4, "maxModelLen": 40000}},
    ],
)
def test_a_refusals_suggestion_is_accepted_when_it_is_typed_in(changes):
    works = refusal("dev", **changes).split("nearest that works: ")[1].split(" (")[0]
    for change in works.split(" and "):
        path, value = change.split(" ")
        section, name = path.split(".")
        changes = {
            **changes,
            section: {**changes.get(section, {}), name: json.loads(value) if value.isdigit() else value},
        }
    assert plan_for(parse(stack("dev", **changes))) is not None


def test_a_refusal_is_shown_without_a_traceback():
    assert issubclass(SettingsError, pulumi.RunError)


@pytest.mark.parametrize("seed", range(2))
def test_every_generated_mistake_is_a_sentence_with_setting_reason_and_remedy(seed):
    """250 a seed, ten thousand with the planner's own in `make bench`. Another exception fails the test by itself."""
    messages = list(refusals(seed, 250))
    assert len(messages) > 150
    for text in messages:
        first, *lines = text.splitlines()
        assert "nothing was created or changed" in first
        assert lines
        for line in lines:
            assert re.match(r"  [A-Za-z][\w.\[\]-]*: ?.{8}", line), text
            assert len(line) < 1500, text
