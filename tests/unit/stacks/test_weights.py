"""Repositories beside the model's: listed, fetched by the same writer, and reached from the engine's arguments."""

from __future__ import annotations

import json

import pytest

from stacks.load_settings import parse
from stacks.settings.errors import SettingsError
from stacks.settings.weights import all_weights, fetched_folders, folders, placed_arguments
from tests.support.cloud_graph import graph as cloud_graph
from tests.support.graph import graph, reaches
from tests.support.settings import values

MODEL = {"source": "huggingface", "id": "Qwen/Qwen2.5-72B-Instruct"}
EAGLE = {"source": "huggingface", "id": "yuhuili/EAGLE-Qwen2-72B-Instruct"}
ADAPTER = {
    "source": "modelscope",
    "id": "some/Law_LoRA",
    "name": "law",
    "revision": "v1",
    "files": ["*.json", "*.safetensors"],
}
PLACES = {
    "model": "/mnt/tandem/models/Qwen--Qwen2.5-72B-Instruct",
    "more.eagle-qwen2-72b-instruct": "/mnt/tandem/models/yuhuili--EAGLE-Qwen2-72B-Instruct",
}


def settings_with(*arguments: str, more=(EAGLE, ADAPTER), **model):
    return parse(
        values(
            model={**MODEL, "more": list(more), **model},
            serving={"tensorParallelSize": 2, "executor": "mp", "arguments": list(arguments)},
        )
    )


def test_folders_are_known_before_anything_is_fetched():
    settings = settings_with()
    assert folders(settings).items() >= PLACES.items()
    assert folders(settings)["more.law"].startswith("/mnt/tandem/models/some--Law_LoRA@v1+")
    assert [*all_weights(settings)] == ["weights", "weights-eagle-qwen2-72b-instruct", "weights-law"]
    assert fetched_folders(settings) == list(folders(settings).values())


@pytest.mark.parametrize(
    ("word", "placed"),
    [
        ("--lora-modules=law={more.law}", "--lora-modules=law={more.law}"),
        ("--tokenizer={model}", "--tokenizer={model}"),
        ("--mmproj={more.law}/mmproj-F16.gguf", "--mmproj={more.law}/mmproj-F16.gguf"),
        (
            '--speculative-config={"method":"eagle","model":"yuhuili/EAGLE-Qwen2-72B-Instruct","num_speculative_tokens":3}',
            '--speculative-config={"method":"eagle","model":"{more.eagle-qwen2-72b-instruct}","num_speculative_tokens":3}',
        ),
        ("--x=yuhuili/EAGLE-Qwen2-72B-Instruct-v2", "--x=yuhuili/EAGLE-Qwen2-72B-Instruct-v2"),
        ("--x=/mnt/yuhuili/EAGLE-Qwen2-72B-Instruct", "--x=/mnt/yuhuili/EAGLE-Qwen2-72B-Instruct"),
        ("--tokenizer=Qwen/Qwen2.5-72B-Instruct", "--tokenizer={model}"),
        ("--chat-template={{ messages }} {model_name}", "--chat-template={{ messages }} {model_name}"),
    ],
)
def test_arguments_reach_them(word, placed):
    settings = settings_with(word)
    for name, folder in folders(settings).items():
        placed = placed.replace(f"{{{name}}}", folder)
    assert placed_arguments(settings) == (placed,)


@pytest.mark.parametrize(
    ("arguments", "more", "said"),
    [
        (
            ["--mmproj={more.proj}/x.gguf"],
            [ADAPTER],
            "serving.arguments: {more.proj} names no repository; known here: {model}, {more.law} (model.more",
        ),
        (
            ['--speculative-config={"model": "some/draft"}'],
            [],
            "serving.arguments: some/draft is asked of a hub, and engines here ask none; list it in model.more",
        ),
        (["--lora-modules", "law=some/Law_LoRA"], [], "serving.arguments: some/Law_LoRA is asked of a hub"),
        ([], [EAGLE, {**ADAPTER, "name": "eagle-qwen2-72b-instruct"}], "more[1].name: eagle-qwen2-72b-instruct names"),
        ([], [MODEL], "more[0].id: Qwen/Qwen2.5-72B-Instruct is the model itself; {model} names its folder"),
        ([], [{"source": "huggingface", "id": "x"}], "id: x is not OWNER/NAME as on the hub"),
        ([], [{**EAGLE, "nmae": "x"}], "model.more[0].nmae: no such setting; did you mean name?"),
    ],
)
def test_what_cannot_be_reached_is_reported(arguments, more, said):
    with pytest.raises(SettingsError) as caught:
        settings_with(*arguments, more=more)
    assert said in str(caught.value)


@pytest.mark.parametrize("argument", ['--speculative-config={"method": "ngram"}', "--tokenizer=/mnt/own/tokenizer"])
def test_what_needs_no_hub_is_let_through(argument):
    assert placed_arguments(settings_with(argument, more=())) == (argument,)


def test_the_token_goes_to_the_hub_of_the_model_alone():
    args = all_weights(settings_with())
    assert [each.own_hub for each in args.values()] == [True, True, False]
    mirrored = all_weights(settings_with(endpoint="https://mirror.example"))
    assert [each.own_hub for each in mirrored.values()] == [True, False, False]


def test_engines_wait_for_all_and_one_machine_writes(monkeypatch, tmp_path):
    seen = graph(monkeypatch, tmp_path, model={**MODEL, "id": "some/model", "more": [EAGLE]})
    name = "weights-eagle-qwen2-72b-instruct"
    assert f"n0-{name}-done" in seen and f"n1-{name}-done" not in seen
    for engine in ("n0-engine", "n1-engine"):
        if engine in seen:
            assert reaches(seen, engine, f"n0-{name}-done")
    cleanup = json.loads(seen["n0-lease"].object.fields["stdin"].struct_value["value"])["cleanup"]
    assert cleanup["KEPT_WEIGHTS"].splitlines() == [
        "/mnt/tandem/models/some--model",
        PLACES["more.eagle-qwen2-72b-instruct"],
    ]


def test_no_machine_that_costs_is_rented_before_all_are_there(monkeypatch):
    seen = cloud_graph(monkeypatch, "local", model_more=[EAGLE])
    assert reaches(seen, "node-0-instance", "fetcher-weights-eagle-qwen2-72b-instruct-done")
