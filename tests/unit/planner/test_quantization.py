"""Which layers a quantized checkpoint leaves in 16 bits, as the lists of its config.json name them."""

from typing import Any

import pytest

from planner import Refusal, Split, catalog_model
from planner.catalog.models import model_config
from planner.catalog.versions import vllm_version
from planner.model.config import parse_model
from planner.model.quantization import parse_quantization
from planner.vllm.tensors import StageTensors
from planner.vllm.weights import stage_weights

QWEN = "qwen2.5-7b-instruct"
"""28 layers of 3584, attention of 28 heads and 4 of KV of 128, MLP of 18944."""

AUTO_ROUND = {
    "quant_method": "auto-round",
    "bits": 4,
    "group_size": 128,
    "sym": True,
    "packing_format": "auto_round:auto_gptq",
    "data_type": "int",
}


def held(name: str, quantization: dict[str, Any], layer: int, part: str, tensor: int = 1) -> int:
    """Bytes of a module of a layer on one rank."""
    model = parse_model(model_config(name) | {"quantization_config": quantization})
    listed = StageTensors(model, Split(tensor)).layer(layer)
    found = [each.nbytes for each in listed if each.name.startswith(part) and not each.name.endswith("bias")]
    assert found, [each.name for each in listed]
    return sum(found)


def nvfp4(*ignore: str) -> dict[str, Any]:
    return {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16, "ignore": list(ignore)}


def test_a_star_is_any_text_in_modelopts_lists():
    """o_proj: 3584 x 3584. In 4 bits: half a byte, an 8-bit scale of 16, and two 32-bit scales."""
    size = 3584 * 3584
    small, whole = size // 2 + size // 16 + 8, size * 2
    listed = nvfp4("lm_head", "model.layers.3.self_attn*")
    assert held(QWEN, listed, 3, "self_attn.o_proj") == whole
    assert held(QWEN, listed, 4, "self_attn.o_proj") == small
    assert held(QWEN, nvfp4("*self_attn*"), 4, "self_attn.o_proj") == whole
    assert held(QWEN, nvfp4("model.layers.*.mlp*"), 4, "self_attn.o_proj") == small


@pytest.mark.parametrize(
    "name", ["model.language_model.layers.3.self_attn*", "language_model.model.layers.3.self_attn*"]
)
def test_a_decoder_beside_a_tower_is_named_as_one_alone(name):
    assert held(QWEN, nvfp4(name), 3, "self_attn.o_proj") == 3584 * 3584 * 2


def test_layers_of_every_kind_go_by_their_number():
    """MLA's, experts and shared experts, and the one of a hybrid model, which its checkpoint calls mixer."""
    rows = catalog_model("deepseek-r1").model
    assert rows.latent is not None
    out = rows.hidden * rows.heads * rows.latent.value_dim
    plain, kept = nvfp4(), nvfp4("model.layers.5.*")
    assert held("deepseek-r1", kept, 5, "self_attn.o_proj") == out * 2
    assert held("deepseek-r1", kept, 6, "self_attn.o_proj") == held("deepseek-r1", plain, 5, "self_attn.o_proj")
    assert held("deepseek-r1", kept, 5, "mlp.experts") == 256 * 3 * 7168 * 2048 * 2
    shared = nvfp4("model.layers.1.mlp.shared_expert.gate_proj")
    name = "qwen3-next-80b-a3b-instruct"
    assert held(name, shared, 1, "mlp.shared_experts.gate_up") > 3 * held(name, plain, 1, "mlp.shared_experts.gate_up")
    hybrid = "nemotron-nano-9b-v2"
    assert held(hybrid, nvfp4("backbone.layers.0.mixer*"), 0, "mamba.in_proj") > 3 * held(
        hybrid, plain, 0, "mamba.in_proj"
    )


def test_autoround_is_counted_as_gptq_and_leaves_the_head():
    """o_proj: half a byte an element; for 128 inputs of a row 2 bytes of scale and half a byte of zero point."""
    size, groups = 3584 * 3584, 3584 // 128
    assert held(QWEN, AUTO_ROUND, 0, "self_attn.o_proj") == size // 2 + groups * 3584 * 2 + groups * 3584 // 2
    own = AUTO_ROUND | {
        "extra_config": {"model.layers.0.self_attn.o_proj": {"bits": 16}, r".*\.1\.mlp.*": {"bits": 16}}
    }
    assert held(QWEN, own, 0, "self_attn.o_proj") == size * 2
    assert held(QWEN, own, 2, "self_attn.o_proj") < size
    assert held(QWEN, own, 1, "mlp.down_proj") == 3584 * 18944 * 2
    assert parse_quantization({"quantization_config": own}).ignored[0] == "lm_head"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"bits": 2}, "AutoRound with 2 bits of int"),
        ({"data_type": "mx_fp"}, "4 bits of mx_fp"),
        ({"extra_config": {"model.layers.0.mlp.down_proj": {"bits": 8}}}, "layers of 8"),
    ],
)
def test_what_isnt_4_bit_integers_is_refused(changed, says):
    with pytest.raises(Refusal, match=says) as caught:
        parse_quantization({"quantization_config": AUTO_ROUND | changed})
    assert caught.value.code == "unknown_quantization"


def test_unquantized_latent_attention_is_absorbed_without_copies():
    """W_UV and W_UK_T are copies of a quantized kv_b_proj, views of one in 16 bits: 128 x (128 + 128) x 512."""
    copies = 128 * 256 * 512 * 2

    def beside(quantization: dict[str, Any]) -> int:
        model = parse_model(model_config("deepseek-r1") | {"quantization_config": quantization})
        (stage,) = stage_weights(model, Split(1))
        return stage.resident - sum(
            tensor.nbytes for tensor in StageTensors(model, Split(1)).stage(range(model.layers))
        )

    assert beside(nvfp4()) - beside(nvfp4("*self_attn*")) == pytest.approx(61 * copies, rel=0.01)


def test_tokens_are_counted_by_requests_from_0_20_1_on():
    """v1/core/kv_cache_utils.py:1706 of 0.20.1; 0.20.0 counts blocks over groups."""
    assert [vllm_version(v).logs_capacity for v in ("0.20.0", "0.20.1", "0.20.2", "0.21.0")] == [
        False,
        True,
        True,
        True,
    ]
    assert [vllm_version(v).max_split_mib for v in ("0.20.2", "0.21.0")] == [0, 20]
