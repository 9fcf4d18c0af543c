"""GGUF with layers, experts and cache where llama.cpp's and Ollama's own words put them."""

import pytest

from planner import (
    Engine,
    OffloadEstimate,
    PlanRequest,
    Refusal,
    Unplanned,
    apply_changes,
    catalog_model,
    gguf_model,
    llamacpp_flags,
    ollama_parameters,
    owned,
    plan,
    uneven,
)
from planner.model.gguf import tensor_bytes, tensors

GIB = 2**30
Q4 = ("unsloth/DeepSeek-R1-GGUF", ("DeepSeek-R1-Q4_K_M/*",))
FOUR_3090 = owned("RTX-3090", per_machine=2, machines=2)


def ask(model, cluster, words, engine=Engine.LLAMACPP, context="4096"):
    read = llamacpp_flags if engine is Engine.LLAMACPP else ollama_parameters
    arguments = {**read(words), "max_model_len": context}
    return PlanRequest(gguf_model(*model), (cluster,), engine=engine, arguments=arguments)


def layered(found):
    """A plan's layers, which a plan of GGUF has."""
    assert isinstance(found.estimate, OffloadEstimate)
    return found.estimate


def layers_of(request):
    return layered(plan(request))


@pytest.mark.parametrize(
    ("name", "files", "gb"),
    [
        ("unsloth/DeepSeek-R1-GGUF", ["DeepSeek-R1-Q4_K_M/*"], 404),
        ("unsloth/DeepSeek-R1-GGUF", ["*UD-IQ2_XXS*"], 183),
        ("models/DeepSeek-R1-UD-IQ2_XXS", [], 183),
        ("https://modelers.cn/some/DeepSeek-R1-GGUF", ["!original/*", "*UD-IQ1_S*", "mmproj-F16.gguf"], 131),
        # No file's size is known: 2 % off what llama.cpp's own page says of the 70B.
        ("bartowski/Meta-Llama-3.1-70B-Instruct-GGUF", ["*Q4_K_M*"], 43.1),
        ("Qwen/Qwen2.5-72B-Instruct-GGUF", ["qwen2.5-72b-instruct-q4_0*"], 42.2),
    ],
)
def test_files_choose_the_quantization_and_its_size(name, files, gb):
    assert gguf_model(name, files).download_bytes == pytest.approx(gb * 1e9, rel=0.02)


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("unsloth/DeepSeek-R1-GGUF", [], "model.files: names no quantization"),
        ("unsloth/DeepSeek-R1-GGUF", ["*Q4_K_M*", "*Q8_0*"], "model.files: names Q4_K_M and Q8_0"),
        ("nobody/Nothing-7B-GGUF", ["*Q4_K_M*"], "model.config: the planner's catalog has no nobody/Nothing-7B-GGUF"),
    ],
)
def test_what_is_not_known_is_not_planned_and_not_refused(name, files, said):
    with pytest.raises(Unplanned, match=said):
        gguf_model(name, files)


def test_a_config_is_enough_for_a_repository_that_the_catalog_lacks():
    shapes = catalog_model("qwen2.5-7b-instruct").model
    assert gguf_model("nobody/Nothing-7B-GGUF", ["*Q8_0*"], shapes).download_bytes == pytest.approx(8.1e9, rel=0.02)


def test_tensors_are_the_models_weights():
    """671 billion, as the model's own card says."""
    assert sum(tensor.weights for tensor in tensors(catalog_model("deepseek-r1").model)) == pytest.approx(
        671e9, rel=0.005
    )
    entry = gguf_model(*Q4)
    assert sum(nbytes for _, nbytes in tensor_bytes(entry)) == pytest.approx(404e9)


@pytest.mark.parametrize(
    "words", [["--cpu-moe"], ["--override-tensor", "exps=CPU"], ["-ot", r"\.ffn_.*_exps\.=CPU"], ["-ncmoe", "61"]]
)
def test_experts_on_the_host_leave_room(words):
    found = layers_of(ask(Q4, FOUR_3090, words))
    assert sum(found.layers) == 61
    assert max(found.weights) < 4 * GIB
    assert 350 * GIB < found.host < 376 * GIB


def test_layers_are_shared_out_as_llama_cpp_does_the_head_counted_as_one():
    """b11434: the last N of layers and head; slot i of N on the device whose share i / N falls into."""
    found = layers_of(ask(Q4, owned("RTX-3090", 8, 1), ["--gpu-layers", "16"]))
    assert found.layers == (2, 2, 2, 2, 2, 2, 2, 1)
    assert found.host_layers == 46
    assert sum(found.weights) + found.host == pytest.approx(404e9 + 61 * 576 * 2 * 4096 - sum(found.cache))


def test_without_flags_it_is_refused_and_the_remedy_works():
    request = ask(Q4, FOUR_3090, [])
    with pytest.raises(Refusal) as caught:
        plan(request)
    assert caught.value.code == "weights_too_large"
    assert "gpu_layers 12" in caught.value.remedy
    works = plan(apply_changes(request, caught.value.changes))
    assert layered(works).host_layers == 50


@pytest.mark.parametrize(("engine", "words"), [(Engine.LLAMACPP, ["-ngl", "auto"]), (Engine.OLLAMA, [])])
def test_an_engine_that_finds_out_by_itself_is_not_refused(engine, words):
    cluster = owned("RTX-3090", 8, 1)
    found = layers_of(ask(Q4, cluster, words, engine))
    assert sum(found.layers) >= 22
    assert found.host > 200 * GIB


def test_a_machine_whose_memory_is_known_must_hold_what_is_left():
    from dataclasses import replace

    cluster = replace(owned("RTX-3090", 8, 1), host_memory=128 * GIB)
    with pytest.raises(Refusal) as caught:
        plan(ask(Q4, cluster, ["num_gpu=16"], Engine.OLLAMA))
    assert caught.value.code == "too_little_host_memory"
    assert plan(ask(Q4, replace(cluster, host_memory=377 * GIB), ["num_gpu=16"], Engine.OLLAMA))


def test_uneven_machines_have_as_many_devices_as_they_have():
    cluster = uneven([(4, "RTX-3090"), (2, "RTX-3090")])
    model = ("unsloth/DeepSeek-R1-GGUF", ("DeepSeek-R1-UD-IQ2_XXS/*",))
    assert len(layers_of(ask(model, cluster, ["--gpu-layers", "30"])).layers) == 6


def test_larger_devices_hold_more_and_shares_are_the_users_if_given():
    cluster = uneven([(1, "RTX-3090"), (1, "A100-80GB")])
    model = ("Qwen/Qwen2.5-72B-Instruct-GGUF", ("*Q4_K_M*",))
    first, second = layers_of(ask(model, cluster, [])).layers
    assert first > 2 * second  # the other machine's, by RPC, is listed first
    assert layers_of(ask(model, cluster, ["-ts", "3,1"])).layers[0] in (60, 61)


def test_the_cache_goes_where_its_layer_is_by_default():
    cluster = owned("L20", 2, 1)
    model = ("Qwen/Qwen2.5-72B-Instruct-GGUF", ("*Q4_K_M*",))
    token = 80 * 2 * 8 * 128
    there = layers_of(ask(model, cluster, [], context="32768"))
    assert sum(there.cache) == pytest.approx(token * 2 * 32768)
    assert sum(layers_of(ask(model, cluster, ["-nkvo"], context="32768")).cache) == 0
    small = layers_of(ask(model, cluster, ["-ctk", "q8_0", "-ctv", "q8_0"], context="32768"))
    assert sum(small.cache) == pytest.approx(token * 34 / 32 * 32768)


@pytest.mark.parametrize(
    "words", [["-sm", "row"], ["-ot", "exps=CUDA1"], ["-ot", "(=CPU"], ["--device", "CUDA0,CUDA1"]]
)
def test_words_that_cannot_be_followed_are_not_planned(words):
    with pytest.raises(Unplanned):
        plan(ask(Q4, FOUR_3090, words))


@pytest.mark.parametrize("words", [["-ngl", "many"], ["-ctk", "q9"], ["-ts", "a,b"], ["-ncmoe", "x"], ["-ot", "exps"]])
def test_words_that_llama_cpp_would_refuse_are_refused(words):
    with pytest.raises(Refusal) as caught:
        plan(ask(Q4, FOUR_3090, words))
    assert caught.value.code == "bad_argument"


def test_what_more_is_loaded_is_noted():
    found = plan(ask(Q4, FOUR_3090, ["--cpu-moe", "--mmproj", "p.gguf", "-md", "d.gguf"]))
    assert "a projector isn't counted" in found.notes
    assert "a draft model isn't counted" in found.notes
