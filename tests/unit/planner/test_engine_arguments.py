"""Engine arguments that change the weights or the batches."""

import pytest

from planner import (
    PlanRequest,
    Refusal,
    ReservedEstimate,
    Start,
    catalog_model,
    device,
    find_model,
    from_flags,
    plan,
    processors,
    render,
)
from planner.catalog.device import device_of_memory
from planner.catalog.models import model_config
from planner.catalog.versions import version_for, vllm_version
from planner.model.config import parse_model
from planner.split import Split
from planner.vllm.arguments import resolve_arguments
from planner.vllm.effective_model import effective_model
from planner.vllm.flags import pairs
from planner.vllm.weights import stage_weights

VERSION = vllm_version("0.24.0")


def weights(model):
    return stage_weights(model, Split(), version=VERSION)[0].tensors


def test_fp8_while_loading_halves_the_linear_layers_only():
    model = catalog_model("qwen2.5-7b-instruct").model
    table = 2 * model.vocab * model.hidden * 2
    served = effective_model(model, {"quantization": "fp8"})
    assert weights(served) - table == pytest.approx((weights(model) - table) / 2, rel=0.001)


def test_marlin_is_the_same_checkpoint():
    model = catalog_model("qwen2.5-72b-instruct-awq").model
    assert weights(effective_model(model, {"quantization": "awq_marlin"})) == weights(model)


@pytest.mark.parametrize(("model", "name"), [("qwen2.5-7b-instruct", "awq"), ("deepseek-r1", "awq")])
def test_another_quantization_than_the_checkpoints_is_refused(model, name):
    with pytest.raises(Refusal) as caught:
        effective_model(catalog_model(model).model, {"quantization": name})
    assert caught.value.code == "quantization_differs"


def test_float32_checkpoints_are_served_in_16_bits():
    model = effective_model(catalog_model("qwen2.5-7b-instruct").model, {"dtype": "float"})
    assert weights(effective_model(model, {})) * 2 == weights(model)


@pytest.mark.parametrize(
    ("gpu", "usage", "batched", "sequences"),
    [
        ("H100-80GB", "offline", 16384, 1024),
        ("H100-80GB", "server", 8192, 1024),
        ("A100-80GB", "server", 2048, 256),
        ("L20", "server", 2048, 256),
        ("L20", "offline", 8192, 256),
    ],
)
def test_batch_defaults_are_the_engines(gpu, usage, batched, sequences):
    """arg_utils.py get_batch_defaults: from 70 GiB on, but not A100."""
    arguments = resolve_arguments(catalog_model("qwen3-8b").model, device(gpu), VERSION, {}, usage)
    assert (arguments.max_num_batched_tokens, arguments.max_num_seqs) == (batched, sequences)


def test_captured_sizes_are_the_engines():
    """1, 2, 4, 8 to 248 by 8, 256 to 512 by 16: 51 sizes."""
    arguments = resolve_arguments(catalog_model("qwen3-8b").model, device("H100-80GB"), VERSION, {})
    assert (len(arguments.graph_sizes), max(arguments.graph_sizes)) == (51, 512)


def test_a_misspelt_argument_names_its_neighbour():
    with pytest.raises(Refusal, match="did you mean max_model_len"):
        resolve_arguments(catalog_model("qwen3-8b").model, device("L20"), VERSION, {"max-model-length": "1"})


def test_a_gpu_is_known_by_what_nvidia_smi_reports():
    assert device_of_memory(81559).name == "H100-80GB"
    assert device_of_memory(143771).name == "H200-141GB"
    assert device_of_memory(48000).name == "unlisted"


def test_the_local_stacks_machines_have_a_plan_too(tmp_path):
    """A tiny model over two machines' processors, as Pulumi.hosts.yaml asks for it; eager, in 32 bits."""
    config = tmp_path / "config.json"
    config.write_text(
        '{"architectures": ["Qwen2ForCausalLM"], "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4,'
        ' "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 2048, "max_position_embeddings": 512}'
    )
    arguments = {
        "max_model_len": "512",
        "enforce_eager": "true",
        "max_num_seqs": "4",
        "kv_cache_memory_bytes": "67108864",
        "dtype": "float32",
    }
    request = PlanRequest(
        find_model(str(config)),
        (processors(4096, 1, 2),),
        engine_version="0.32.0",
        arguments=arguments,
        tensor_parallel_size=2,
        start=Start("local", machines_ready=True),
    )
    chosen = plan(request)
    assert isinstance(chosen.estimate, ReservedEstimate)
    assert (
        chosen.estimate.memory.kv_cache_tokens == 67108864 // (4 * 2 * 32 * 4 * 16) * 16
    )  # layers, K and V of one head, float32
    assert chosen.timeline.gpu_minutes < 5
    assert "own machines" in render(chosen)


def test_an_engines_own_flags_are_read_and_unknown_ones_are_no_mistake():
    flags = [
        "--enforce-eager",
        "--max-num-seqs=4",
        "--kv-cache-dtype",
        "fp8",
        "--tool-parser",
        "hermes",
        "--no-enable-chunked-prefill",
        "--served-model-name=a-b",
    ]
    counted, others = from_flags(flags)
    assert counted == {
        "enforce_eager": "true",
        "max_num_seqs": "4",
        "kv_cache_dtype": "fp8",
        "enable_chunked_prefill": "false",
    }
    assert others == ("tool_parser", "served_model_name")


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ({"enforce_eager": "true"}, (0, 0)),
        ({"compilation_config": '{"cudagraph_mode": "NONE"}'}, (0, 0)),
        ({"cudagraph_capture_sizes": "[1, 8, 64]"}, (3, 64)),
        ({"max_cudagraph_capture_size": "64"}, (11, 64)),
        ({"max_num_seqs": "4"}, (4, 8)),
    ],
)
def test_captured_graphs_follow_the_arguments(given, sizes):
    arguments = resolve_arguments(catalog_model("qwen3-8b").model, device("H100-80GB"), VERSION, given)
    assert (len(arguments.graph_sizes), max(arguments.graph_sizes, default=0)) == sizes


def test_values_may_be_json():
    found = pairs(['kv_cache_dtype="fp8"', "max_model_len=null", "enforce_eager=True", 'hf_overrides={"a": 1}'])
    assert found == {"kv_cache_dtype": "fp8", "enforce_eager": "True", "hf_overrides": '{"a": 1}'}


@pytest.mark.parametrize(
    ("version", "gpu", "dtype"),
    [
        ("0.8.5", "T4", "bfloat16"),
        ("0.9.2", "T4", "float16"),
        ("0.24.0", "L4", "bfloat16"),
    ],
)
def test_a_gpu_without_bfloat16_serves_float16_by_default(version, gpu, dtype):
    """From 0.9 on (_resolve_auto_dtype); bfloat16 that was asked for is kept, and refused later."""
    model, known = catalog_model("qwen2.5-7b-instruct").model, vllm_version(version)
    assert effective_model(model, {}, device(gpu), known).dtype == dtype
    assert effective_model(model, {"dtype": "bfloat16"}, device(gpu), known).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("version", "given", "kv_bytes"),
    [("0.13.0", {}, 2), ("0.14.0", {}, 1), ("0.14.0", {"kv_cache_dtype": "bfloat16"}, 2)],
)
@pytest.mark.parametrize(
    "scheme",
    [
        {"kv_cache_scheme": {"dynamic": False, "num_bits": 8, "type": "float"}},
        {"quantization": {"kv_cache_quant_algo": "FP8"}},
    ],
)
def test_a_modelopt_checkpoint_may_ask_for_a_cache_of_8_bits(version, given, kv_bytes, scheme):
    quantization = {"quant_method": "modelopt", "quant_algo": "FP8", **scheme}
    config = model_config("qwen2.5-7b-instruct") | {"quantization_config": quantization}
    arguments = resolve_arguments(parse_model(config), device("H100-80GB"), vllm_version(version), given)
    assert arguments.kv_bytes == kv_bytes


def test_a_gpu_that_a_version_isnt_built_for_is_refused_with_one_that_is():
    """The newest of those read: V100 up to 0.19; none for a P100."""
    assert [version_for(capability) for capability in (6.0, 7.0, 10.3, 12.0)] == [None, "0.19.0", "0.33.0", "0.33.0"]
