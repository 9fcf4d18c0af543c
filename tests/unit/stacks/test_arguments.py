"""What is left out is chosen; what `serving.arguments` says against a setting is refused with that setting's name."""

import pytest

from planner import render
from stacks.load_settings import parse
from stacks.planning import plan_for, unplanned
from stacks.settings.errors import SettingsError
from tests.support.settings import refusal, stack, values

GPUS = {"kind": "nvidia", "gpu": "L20", "perMachine": 2}
QWEN = {"source": "modelscope", "id": "Qwen/Qwen2.5-72B-Instruct"}


def of(counts, **more):
    machines = [{"name": f"m{n}", "address": f"10.0.0.{n + 1}", "accelerators": c} for n, c in enumerate(counts)]
    config = values(machines=machines, accelerator=GPUS, model=QWEN, **more)
    return config


@pytest.mark.parametrize(
    ("counts", "image", "executor"),
    [
        ((2, 2), None, "mp"),
        ((4,), None, "mp"),
        ((3, 1), None, "ray"),
        ((2, 2), "vllm/vllm-openai:v0.8.5", "ray"),
        ((4,), "vllm/vllm-openai:v0.8.5", "mp"),
    ],
)
def test_vllm_with_nothing_else_said_runs(counts, image, executor):
    """Ray only where machines differ, or vLLM is too old to know machines of its own (its image holds Ray then)."""
    images = {"images": {"engine": image or "registry/own:0.33.0"}}
    config = of(counts, serving={"engine": "vllm", "tensorParallelSize": 1, "pipelineParallelSize": 4}, **images)
    assert parse(config).serving.executor == executor


def test_the_default_image_and_the_default_executor_go_together():
    settings = parse(of((2, 2), serving={"engine": "vllm", "tensorParallelSize": 2, "pipelineParallelSize": 2}))
    assert settings.serving.executor == "mp"
    assert plan_for(settings) is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--tensor-parallel-size", "4"],
            "--tensor-parallel-size 4: contradicts serving.tensorParallelSize, which is 2",
        ),
        (["-pp=4"], "-pp 4: contradicts serving.pipelineParallelSize, which is 1"),
        (["--max_model_len=8192"], "--max-model-len 8192: contradicts serving.maxModelLen, which is 4096"),
        (["--port", "9000"], "contradicts serving.port, which is 8100"),
        (["--served-model-name=x"], "contradicts model.servedName, which is model-7b"),
        (["--distributed-executor-backend", "ray"], "contradicts serving.executor, which is mp"),
        (["--host=0.0.0.0"], "the gateway is what the outside reaches"),
        (["--model", "/other"], "the model is the one that model.id names"),
        (["--nnodes=4"], "each machine's place is given by the order of machines"),
        (["--data-parallel-size", "2"], "contradicts serving.dataParallelSize, which is 1"),
        (["-dp=2"], "contradicts serving.dataParallelSize, which is 1"),
        (["--data-parallel-size-local=1"], "data parallel ranks are placed by the order of machines"),
        (["--enable-expert-parallel"], "--enable-expert-parallel: contradicts serving.expertParallel, which is false"),
        (["-ep"], "set serving.expertParallel to true"),
        (["--prefill-context-parallel-size=2"], "context parallelism of prompts takes accelerators of its own"),
    ],
)
def test_a_flag_that_contradicts_a_setting_is_refused(words, said):
    serving = {"tensorParallelSize": 2, "executor": "mp", "maxModelLen": 4096, "arguments": words}
    assert said in refusal(serving=serving)


@pytest.mark.parametrize(
    ("engine", "image", "words", "said"),
    [
        ("sglang", "lmsysorg/sglang:v0.5.23", ["--tp", "8"], "contradicts serving.tensorParallelSize"),
        ("sglang", "lmsysorg/sglang:v0.5.23", ["--dp-size", "2"], "contradicts serving.dataParallelSize"),
        ("sglang", "lmsysorg/sglang:v0.5.23", ["--enable-dp-attention"], "set serving.dataParallelSize to how many"),
        ("sglang", "lmsysorg/sglang:v0.5.23", ["--ep-size=2"], "contradicts serving.expertParallel"),
        ("sglang", "lmsysorg/sglang:v0.5.23", ["--ep-size=1"], None),
        ("tensorrt-llm", "x/release:1.2.1", ["--tp_size", "4"], "contradicts serving.tensorParallelSize"),
    ],
)
def test_so_are_other_engines_own(engine, image, words, said):
    config = values(
        accelerator=GPUS | {"perMachine": 1},
        images={"engine": image},
        serving={"engine": engine, "tensorParallelSize": 2, "arguments": words},
    )
    if said is None:
        assert parse(config)
        return
    with pytest.raises(SettingsError, match=said):
        parse(config)


def test_what_says_the_same_is_no_contradiction():
    serving = {"tensorParallelSize": 2, "executor": "mp", "maxModelLen": 4096}
    assert parse(values(serving={**serving, "arguments": ["--tensor-parallel-size=2", "--max-model-len", "4096"]}))
    # Nothing is said of the context: the engine's own word counts.
    assert parse(values(serving={"tensorParallelSize": 2, "executor": "mp", "arguments": ["--max-model-len=512"]}))


def test_sglangs_own_count_holds_all_data_parallel_ranks():
    config = values(
        accelerator=GPUS | {"perMachine": 1},
        images={"engine": "lmsysorg/sglang:v0.5.23"},
        serving={
            "engine": "sglang",
            "tensorParallelSize": 1,
            "dataParallelSize": 2,
            "expertParallel": True,
            "arguments": ["--tp-size=2", "--dp-size=2", "--enable-dp-attention", "--ep-size=2"],
        },
    )
    assert parse(config)


def test_copies_are_data_parallel_ranks():
    assert "set dataParallelSize" in refusal(serving={"tensorParallelSize": 2, "executor": "mp", "replicas": 2})


def test_a_flag_that_says_what_the_settings_say_is_let_through():
    serving = {"tensorParallelSize": 1, "dataParallelSize": 2, "executor": "mp", "expertParallel": True}
    gpus = GPUS | {"perMachine": 1}
    same = ["--data-parallel-size=2", "--enable-expert-parallel"]
    assert parse(values(accelerator=gpus, serving={**serving, "arguments": same}))
    assert "to false" in refusal(accelerator=gpus, serving={**serving, "arguments": ["--no-enable-expert-parallel"]})


def test_experts_are_not_spread_on_processors_whatever_the_model():
    said = refusal(serving={"tensorParallelSize": 1, "dataParallelSize": 2, "executor": "mp", "expertParallel": True})
    assert "serving.expertParallel: is true, and vLLM's build for processors can't" in said
    assert "set serving.dataParallelSize to 1 and serving.pipelineParallelSize to 2" in said


@pytest.mark.parametrize(
    ("words", "planned"),
    [
        (["--hf-overrides", "{}"], False),
        (["--speculative-config", '{"method": "ngram", "num_speculative_tokens": 1}'], None),
        (["--enable-auto-tool-choice"], None),
        (["--cpu-offload-gb", "40"], True),
    ],
)
def test_a_flag_that_is_not_counted_refuses_nobody(words, planned):
    """72B on two 44 GiB GPUs: refused, unless some flag may make room; then it is said that it isn't counted."""
    serving = {"tensorParallelSize": 1, "pipelineParallelSize": 2, "maxModelLen": 4096, "executor": "mp"}
    config = of((1, 1), serving={**serving, "arguments": words})
    if planned is None:
        with pytest.raises(SettingsError, match="GiB of weights"):
            plan_for(parse(config))
    elif planned:
        found = plan_for(parse(config))
        assert found is not None
        assert any("stay in the machine's own memory" in note for note in found.notes)
    else:
        assert plan_for(parse(config)) is None
        assert "--hf-overrides changes memory in a way that isn't counted" in (unplanned(parse(config)) or "")


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        ("B100", "no B100; set accelerator.gpu to"),
        ("A100", "no A100; set accelerator.gpu to A100-80GB, or to A100-40GB"),
        ("a800-80gb", None),
    ],
)
def test_a_gpu_that_the_catalog_lacks_is_a_warning(gpu, said):
    serving = {"tensorParallelSize": 2, "pipelineParallelSize": 2, "maxModelLen": 4096}
    config = values(accelerator={**GPUS, "gpu": gpu}, model=QWEN, serving=serving)
    found = plan_for(parse(config))
    assert (found is None) == (said is not None)
    assert (said or "") in (unplanned(parse(config)) or "")


def test_what_no_gpu_could_split_is_refused_without_one():
    config = values(
        accelerator={"kind": "nvidia", "perMachine": 3}, model=QWEN, serving={"tensorParallelSize": 6, "executor": "mp"}
    )
    with pytest.raises(SettingsError, match="64 attention heads") as caught:
        plan_for(parse(config))
    assert caught.value.changes == {"serving.tensorParallelSize": 2, "serving.pipelineParallelSize": 3}


def test_a_machine_counts_as_one():
    found = plan_for(parse(of((4,), serving={"tensorParallelSize": 4, "maxModelLen": 4096, "executor": "mp"})))
    assert found is not None
    assert "on 1 machine with 4 x L20" in render(found)


def test_an_image_without_a_version_is_noted():
    found = plan_for(parse(stack("dev", images={"engine": "registry/own:latest"})))
    assert found is not None
    assert any("names no version: counted by the rules of vLLM 0.33" in note for note in found.notes)
