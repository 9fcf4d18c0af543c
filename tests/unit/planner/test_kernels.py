"""What kernels and compilation add to a model's memory, by the rules of the engine's own sources."""

import pytest

from planner import catalog_model, device
from planner.catalog.models import model_config
from planner.catalog.versions import vllm_version
from planner.model.config import parse_model
from planner.split import Split
from planner.vllm.activation import profile
from planner.vllm.arguments import resolve_arguments
from planner.vllm.memory import MIB, fused_reduce_memory, graph_memory
from planner.vllm.weights import stage_weights

VERSION = vllm_version("0.24.0")
H100 = device("H100-80GB")


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
    assert every - fewer == 16 * (2 * 2**20 + 48 * 57 * 1024)


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
