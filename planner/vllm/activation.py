"""The peak of activations in vLLM's profiling run: what is alive at once, tensor by tensor.

Source: vllm 0.24.0, v1/worker/gpu_model_runner.py and v1/worker/gpu/model_runner.py (profile_run, _dummy_sampler_run),
v1/sample/ops/topk_topp_sampler.py and topk_topp_triton.py, layers/attention/mla_attention.py (forward_impl),
fused_moe/modular_kernel.py (_allocate_buffers), fused_moe/experts (workspace_shapes of each kernel) and
fused_moe/oracle (which kernel comes first on which GPU).
"""

from typing import NamedTuple

from planner.catalog.device import Device
from planner.catalog.versions import EngineVersion
from planner.model.shapes import LatentAttention, Model
from planner.parallelism import padded_vocab
from planner.split import Split
from planner.vllm.arguments import EngineArguments
from planner.vllm.encoder import NOTHING, Reading, reading
from planner.vllm.rules import NATIVE_FP8
from planner.vllm.tensors import experts_of_rank

FP32 = 4
MLA_WORKSPACE_TOKENS = 64 * 1024
"""determine_chunked_prefill_workspace_size: at most 64k tokens of up-projected context."""
SORTED_BELOW = 8
"""Requests below which top-p sorts the logits instead of the Triton kernel (apply_top_k_top_p)."""

SEGMENTED = 128
"""Requests from which torch.sort sorts each row by itself (do_launch_stable_sort_kernel)."""

SORT = 4 + 8 + 8 + (4 + 8)
"""Bytes of a logit while rows are sorted: values, 64-bit indices, the indices they start from, and CUB's second buffer
of keys and indices (segmented_sort_pairs in aten/src/ATen/native/cuda/SortStable.cu)."""

FULL_SORT = 4 + 8 + 8 + 8 + 4 + (4 + 8)
"""The same where all rows are sorted at once: values, 64-bit indices, two arrays of row and column, keys, and CUB's
second buffer of keys and pairs (segmented_sort_pairs_by_full_sort)."""

HOPPER, BLACKWELL = 9.0, 10.0
"""Compute capabilities from which kernels of a kind are chosen."""


class Profile(NamedTuple):
    """The profiling run of one rank, in bytes.

    Attributes:
        forward: peak while the layers run.
        sampling: peak while a token is drawn for every request; 0 before the last stage.
        workspace: cuBLAS', which PyTorch's allocator holds all the while.
        images: while images are read, and what stays of them.
    """

    forward: int
    sampling: int
    workspace: int
    images: Reading = NOTHING

    @property
    def peak(self) -> int:
        """What the engine keeps free for activations."""
        return max(self.images.peak, self.images.held + max(self.forward, self.sampling)) + self.workspace


def cublas_workspace(device: Device) -> int:
    """Bytes that PyTorch gives cuBLAS for each stream (CUDABlas.cpp, getChosenWorkspaceSize)."""
    if device.capability is None:
        return 0
    return (32 if device.capability >= HOPPER else 8) * 2**20


def profile(
    model: Model, split: Split, layers: range, arguments: EngineArguments, *, version: EngineVersion, device: Device
) -> Profile:
    """What the profiling run of the stage that holds `layers` needs."""
    tokens, unit = arguments.max_num_batched_tokens, model.dtype_bytes
    hidden = tokens * model.hidden * unit
    routed = [i for i in layers if not model.dense[i]]
    kept, passing = _expert_scratch(model, split, arguments, device, version)
    workspace = kept if routed else 0
    # The workspace is made by the first layer that needs it; dense layers come before it.
    scratch = {i: (workspace if routed and i >= routed[0] else 0) + (0 if model.dense[i] else passing) for i in layers}
    # The buffers that a later stage receives into are made during the first runner's profile, and stay.
    second = version.second_runner(model.architecture, quantized=model.quantized, dense=model.plain)
    received = 0 if layers.start == 0 or second else 2 * hidden
    # Eager, a later stage's residual is changed in place in the buffer that was received.
    shared = hidden if arguments.enforce_eager and layers.start else 0
    forward = (
        received
        - shared
        + max(scratch[i] + _layer_peak(model, split, arguments, device, i) for i in _samples(model, layers))
    )
    sampling = 0
    if layers.stop == model.layers:
        sampling = received + workspace + hidden + _sampler(model, arguments, version, device)
    return Profile(forward, sampling, cublas_workspace(device), reading(model, split, arguments, version))


def _samples(model: Model, layers: range) -> list[int]:
    """One layer of each kind; the rest need the same."""
    seen: dict[tuple[str, bool], int] = {}
    for i in layers:
        seen.setdefault((model.kinds[i], model.dense[i]), i)
    return list(seen.values())


def _layer_peak(model: Model, split: Split, arguments: EngineArguments, device: Device, index: int) -> int:
    """The larger of the layer's two halves.

    Eager, the layer's normalized input lives until the layer returns, beside the attention's output and the residual,
    and a tensor-parallel sum needs one output more. Compiled, a piece holds its inputs (the attention's output and the
    residual) and the new residual; what it made is freed as soon as it is used.
    """
    tokens, unit, tp = arguments.max_num_batched_tokens, model.dtype_bytes, split.tensor
    hidden = tokens * model.hidden * unit
    mixing, mixed = _mixing(model, split, arguments, index)
    e = model.experts
    if e is None or model.dense[index]:
        mlp = tokens * unit * (3 if model.gated else 2) * model.intermediate // tp
        if arguments.dequantizes:
            mlp += (2 if model.gated else 1) * model.intermediate // tp * model.hidden * unit
    else:
        mlp = tokens * e.count * FP32 + tokens * unit * 3 * e.shared_intermediate // tp + hidden
    if not arguments.enforce_eager:
        return 2 * hidden + max(mixing, mlp + mixed)
    if (e is None or model.dense[index]) and _quantizes_activations(model, device):
        # The 8-bit copy that the down projection reads; compiled, the products it came from are gone by then.
        mlp += tokens * model.intermediate // tp
    summed = hidden if tp > 1 else 0
    return summed + hidden + max(2 * hidden + mixing, 3 * hidden + mlp)


def _mixing(model: Model, split: Split, arguments: EngineArguments, index: int) -> tuple[int, int]:
    """Bytes of the tensors between tokens' mixing, and of its output before the output projection."""
    tokens, unit, tp = arguments.max_num_batched_tokens, model.dtype_bytes, split.tensor
    if model.kinds[index] == "linear" and model.linear is not None:
        own, values = model.linear.projected, model.linear.values
        return tokens * unit * (2 * own + 2 * values) // tp, tokens * unit * values // tp
    a = model.attention
    if isinstance(a, LatentAttention):
        # The pretended context is freed before the output projection makes its hidden states, which the caller adds.
        own = _latent_peak(a, tokens, unit, split, arguments) - tokens * model.hidden * unit
        return own, tokens * unit * a.heads * a.value_dim // tp
    queries, pairs = a.heads // tp * a.head_dim, 2 * max(1, a.kv_heads // tp) * a.head_dim
    norm = queries + pairs // 2 if a.qk_norm == "head" else 0
    gate = queries if a.output_gate else 0
    return tokens * unit * (queries + gate + pairs + queries + norm), tokens * unit * queries


def _latent_peak(a: LatentAttention, tokens: int, unit: int, split: Split, arguments: EngineArguments) -> int:
    """MLA's tensors, and the up-projected context of which the profile pretends the largest."""
    heads = a.heads // split.tensor
    context = min(
        max(8 * arguments.max_model_len, 4 * arguments.max_num_seqs * arguments.block_size), MLA_WORKSPACE_TOKENS
    )
    context = max(context, arguments.max_num_seqs * arguments.block_size) if arguments.pretends_context else tokens
    compressed = (a.query_lora_rank or 0) * 2 + a.kv_lora_rank * 2 + a.rope_dim
    own = heads * (a.nope_dim + a.rope_dim) + heads * a.value_dim + compressed
    return context * heads * (a.nope_dim + a.value_dim) * unit + tokens * own * unit


def _quantizes_activations(model: Model, device: Device) -> bool:
    """Whether linear layers compute in 8 bits, which needs Ada or Hopper for FP8; before them weights alone are."""
    method, capability = model.quantization.method, device.capability or 0.0
    return (method in ("fp8", "fp8_block", "fp8_channel") and capability >= NATIVE_FP8) or method == "int8"


def _expert_scratch(
    model: Model, split: Split, arguments: EngineArguments, device: Device, version: EngineVersion
) -> tuple[int, int]:
    """Scratch of the routed experts: bytes of the workspace, which stays once it is made, and of what passes.

    The kernels are those that fused_moe/oracle chooses first on each generation of GPUs.
    """
    e = model.experts
    if e is None:
        return 0, 0
    _, part = experts_of_rank(e, split)
    # Data parallel ranks gather each other's tokens before the experts (AgRsAll2AllManager in
    # distributed/device_communicators/all2all.py), all of which the workspace is made for.
    tokens, capability = arguments.max_num_batched_tokens * split.data, device.capability or 0.0
    rows, quantizes = tokens * e.per_token, _quantizes_activations(model, device)
    gathered = tokens * model.hidden * (1 if quantizes else model.dtype_bytes) if split.data > 1 else 0
    if model.quantization.method == "mxfp4" and HOPPER <= capability < BLACKWELL:
        # Triton's kernels for gpt-oss make their own: activations, and every expert's output before it is summed.
        return 0, rows * (part + model.hidden) * 2 + gathered
    passing = (rows * part if quantizes else 0) + gathered
    if model.quantization.method == "fp8_block" and capability >= BLACKWELL:
        # DeepGEMM pads every expert's rows to 128 (compute_aligned_M); on Hopper Triton comes first.
        rows, passing = rows + 127 * min(e.count, rows), gathered
    if not version.expert_workspace:
        # fused_experts_impl (fused_moe/fused_moe.py, 0.11.0): the first and third products share a tensor.
        return 0, rows * (max(2 * part, model.hidden) + part) * 2 + passing
    first, second = max(part, model.hidden), max(2 * part, model.hidden)
    return rows * (first + second) * 2, passing


def _sampler(model: Model, arguments: EngineArguments, version: EngineVersion, device: Device) -> int:
    """Logits and the sampler's copies of them, for one token of every request."""
    requests = min(arguments.max_num_seqs, arguments.max_num_batched_tokens)
    states = requests * model.hidden * model.dtype_bytes
    logits = requests * padded_vocab(model.vocab) * model.dtype_bytes
    wide = requests * model.vocab * FP32
    if version.second_runner(model.architecture, quantized=model.quantized, dense=model.plain):
        # One 32-bit copy, changed in place; then block-wise maxima (gumbel.py).
        return states + logits + wide
    # hidden states of the sampled tokens, their random stand-in; 32-bit logits
    total = 2 * states + logits + wide
    if requests < SORTED_BELOW or not version.sampler_buffer:
        return total + requests * model.vocab * (SORT if requests >= SEGMENTED else FULL_SORT)
    total += 2 * wide  # probabilities, exponential noise
    programs = min(1 << (min(device.multiprocessors, requests) - 1).bit_length(), device.multiprocessors)
    return total + programs * model.vocab * FP32
