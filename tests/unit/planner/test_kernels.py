"""What kernels and compilation add to a model's memory, by the rules of the engine's own sources."""

import pytest

from planner import Refusal, catalog_model, device
from planner.catalog.models import model_config
from planner.catalog.versions import vllm_version
from planner.model.config import parse_model
from planner.split import Split
from planner.vllm.activation import profile
from planner.vllm.arguments import resolve_arguments
from planner.vllm.memory import MIB, fused_reduce_memory, graph_memory, memory
from planner.vllm.weights import stage_weights

VERSION = vllm_version("0.24.0")
H100 = device("H100-80GB")
AWQ = {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}}


def arguments(model, machine=H100, **given):
    return resolve_arguments(model, machine, VERSION, given, "offline")


def test_until_it_deletes_them_the_engine_keeps_mxfp4_scales_beside_the_kernels_own():
    """24 layers x 32 experts x 3 x 2880 x 2880 / 32 bytes; from 0.32 on only the kernel's own, padded ones stay."""
    model = catalog_model("gpt-oss-20b").model
    kept, deleted = (
        stage_weights(model, Split(), version=vllm_version(version), device=H100)[0].resident
        for version in ("0.24.0", "0.32.0")
    )
    assert kept - deleted == 24 * 32 * 3 * 2880 * 2880 // 32


def test_gpt_oss_captures_larger_batches_than_other_models():
    """83 sizes up to 1024 (GptOssForCausalLMConfig), for others 51 up to 512."""
    oss = arguments(catalog_model("gpt-oss-20b").model).graph_sizes
    assert (len(oss), max(oss)) == (83, 1024)


def test_graphs_of_whole_batches_go_up_to_the_requests_and_buffers_count_once():
    model = catalog_model("qwen2.5-14b-instruct").model
    every = graph_memory(model, Split(), range(48), arguments(model), version=VERSION, device=H100)
    fewer = graph_memory(model, Split(), range(48), arguments(model, max_num_seqs="256"), version=VERSION, device=H100)
    # 51 sizes in pieces both times; whole only the 35 sizes up to 256.
    assert every - fewer == 16 * MIB


@pytest.mark.parametrize(
    ("gpu", "tensor", "eager", "mib"),
    [
        ("H100-80GB", 2, "false", 512),
        ("H100-80GB", 4, "false", 32),
        ("H100-80GB", 2, "true", 0),
        ("H100-80GB", 1, "false", 0),
        ("L20", 2, "false", 0),
    ],
)
def test_sums_fused_with_norms_have_buffers_of_their_own(gpu, tensor, eager, mib):
    """64 MiB of batch for two Hopper GPUs: a buffer for each rank, and three to receive into."""
    model, machine = catalog_model("qwen2.5-72b-instruct").model, device(gpu)
    taken = fused_reduce_memory(model, Split(tensor), machine, VERSION, arguments(model, machine, enforce_eager=eager))
    assert taken == mib * MIB


def test_8_bit_activations_need_a_copy_of_their_own_where_the_gpu_computes_in_8_bits():
    """Eager: a byte for every token and intermediate element; an A10 dequantizes weights instead."""
    whole, block = catalog_model("qwen3-32b").model, catalog_model("qwen3-32b-fp8").model

    def forward(model, gpu):
        given = arguments(model, enforce_eager="true", max_num_batched_tokens="16384")
        return profile(model, Split(), range(model.layers), given, version=VERSION, device=device(gpu)).forward

    assert forward(block, "H100-80GB") - forward(whole, "H100-80GB") == 16384 * 25600
    assert forward(block, "A10") == forward(whole, "A10")


def test_the_experts_workspace_stays_and_triton_kernels_own_does_not():
    oss, mixtral = catalog_model("gpt-oss-20b").model, catalog_model("mixtral-8x7b-instruct").model
    sampling = {
        name: profile(model, Split(), range(model.layers), arguments(model), version=VERSION, device=H100).sampling
        for name, model in (("oss", oss), ("mixtral", mixtral))
    }
    rows = 16384 * 2
    assert sampling["mixtral"] > rows * (14336 + 2 * 14336) * 2
    assert sampling["oss"] < 16384 * 2880 * 2 + 1024 * (201088 * 15 + 132 * 4 * 201088 // 1024)


@pytest.mark.parametrize(
    ("model", "given", "window"),
    [
        ("mistral-7b-v0.1", {}, 4096),
        ("mistral-7b-v0.1", {"sliding_window": None}, None),
        ("qwen2.5-7b-instruct", {"sliding_window": 4096}, None),
        ("qwen2.5-7b-instruct", {"sliding_window": 4096, "use_sliding_window": True}, 4096),
    ],
)
def test_a_window_that_the_config_leaves_out_is_the_architectures_own(model, given, window):
    """null says that there is none; Qwen has one only with use_sliding_window."""
    left_out = {"sliding_window", "use_sliding_window"}
    config = {k: v for k, v in model_config(model).items() if k not in left_out}
    grouped = parse_model({**config, **given}).grouped
    assert grouped is not None
    assert grouped.window == window


def test_awq_zero_points_are_made_16_bits_wide_for_machete():
    """On Hopper from 0.19 on: zero points of every linear layer, three times as much again; Marlin keeps 4 bits."""
    model = parse_model(model_config("qwen2.5-7b-instruct") | AWQ)
    marlin, machete = (
        stage_weights(model, Split(), version=vllm_version(version), device=H100)[0].resident
        for version in ("0.18.0", "0.19.0")
    )
    h, kv, wide = 3584, 512, 18944
    groups = h // 128 * (h + 2 * kv) + h // 128 * h + h // 128 * 2 * wide + wide // 128 * h
    assert machete - marlin == 3 * 28 * groups // 2


def test_the_experts_scratch_is_freed_by_each_layer_before_0_14():
    """Rows times the larger of two products and the activations between; then both stay in a workspace."""
    model = catalog_model("qwen3-30b-a3b").model
    given = resolve_arguments(model, H100, VERSION, {"enforce_eager": "true", "max_num_seqs": "1"}, "server")
    old, new = (
        profile(model, Split(), range(48), given, version=vllm_version(version), device=H100).forward
        for version in ("0.13.0", "0.14.0")
    )
    rows = 8192 * 8
    assert new - old == rows * 2 * ((2048 + 2048) - (2048 + 768))


@pytest.mark.parametrize(
    ("gpu", "version", "mib"),
    [
        ("H100-80GB", "0.11.0", 337),
        ("H100-80GB", "0.10.2", 1833),
        ("L40S", "0.10.2", 0),
        ("L40S", "0.24.0", 0),
    ],
)
def test_nccls_buffers_are_on_the_device_over_nvlink_alone(gpu, version, mib):
    """What a second GPU adds to what isn't PyTorch's; before 0.11 what NCCL takes as it starts is counted, too."""
    model, machine, known = catalog_model("qwen2.5-7b-instruct").model, device(gpu), vllm_version(version)
    given = resolve_arguments(model, machine, known, {"enforce_eager": "true"}, "server")
    one, two = (memory(model, Split(n), machine, known, given).ranks[0].overhead for n in (1, 2))
    assert two - one == mib * MIB


@pytest.mark.parametrize(
    ("version", "fits"), [("0.13.0", True), ("0.14.0", False), ("0.16.0", False), ("0.17.0", True)]
)
def test_from_0_14_to_0_16_a_stage_must_hold_all_stages_demand(version, fits):
    """28 layers x 2 x 4 heads x 128 x 2 bytes x 32,768 tokens are 1.75 GiB; half a model has 1 GiB for its 0.875."""
    model, known = catalog_model("qwen2.5-7b-instruct").model, vllm_version(version)
    given = resolve_arguments(model, H100, known, {"kv_cache_memory_bytes": str(2**30)}, "server")
    if fits:
        assert memory(model, Split(1, 2), H100, known, given).max_concurrency >= 1
    else:
        with pytest.raises(Refusal, match="max_model_len"):
            memory(model, Split(1, 2), H100, known, given)
