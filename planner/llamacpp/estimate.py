"""llama.cpp and Ollama: whole layers on each device, and what stays in the first machine's own memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from planner.catalog.device import Device
from planner.cluster import Cluster
from planner.engine import Engine
from planner.estimate import Estimate
from planner.llamacpp.offload import Offload, read_offload
from planner.model.entry import ModelEntry
from planner.model.gguf import GgufTensor, tensor_bytes
from planner.model.shapes import LatentAttention, Model
from planner.parallelism import check_one_machine, check_rpc_devices
from planner.pluralize import pluralize
from planner.refusal import Refusal, Unplanned
from planner.request import PlanRequest
from planner.split import Split

GIB = 2**30
SCRATCH = 1.5 * GIB
"""Bytes of a device for the CUDA context and compute buffers: llama.cpp's own fit keeps 1 GiB free beside these."""

LOWER_BOUND = {True: 0.93, False: 0.95}
"""Share of counted weights that is there in any case, by whether the file's size is estimated: layers of a mixed
quantization differ, so that what is counted just above the space may fit, and isn't refused."""

CONTEXT = 4096
"""Tokens where no context is given: Ollama's default, and what llama.cpp's own fit goes down to (common/fit.cpp)."""

SYSTEM = 2 * GIB
"""Bytes of a machine's memory that its system and the engine's process take."""


@dataclass(frozen=True)
class OffloadEstimate(Estimate):
    """Whole layers on devices, in the order they compute: other machines' first, by RPC (llama-model-loader).

    Attributes:
        layers: of each device.
        weights: bytes of each device.
        cache: bytes of KV cache of each device.
        host: bytes of weights and KV cache in the first machine's own memory.
        host_layers: layers that lie there whole.
    """

    layers: tuple[int, ...]
    weights: tuple[float, ...]
    cache: tuple[float, ...]
    host: float
    host_layers: int

    @property
    def weights_bytes(self) -> float:
        """Bytes of weights on all devices and the host together, the host's KV cache included."""
        return sum(self.weights) + self.host

    @property
    def captures_graphs(self) -> bool:
        """llama.cpp captures none ahead."""
        return False

    @property
    def placement(self) -> str:
        """Layers on devices, and on the processor."""
        left = f", {self.host_layers} on the processor" if self.host_layers else ""
        return f"{pluralize(sum(self.layers), 'layer')} on {pluralize(len(self.layers), 'device')}{left}"

    def summary(self, machines: str) -> str:
        """Layers on devices, and the machines."""
        return f"{self.placement}, {machines}"


Weighed = Sequence[tuple[GgufTensor, float, bool]]
"""Each tensor, its bytes, and whether it stays on the host wherever its layer lies."""


def offload_estimate(request: PlanRequest, cluster: Cluster) -> OffloadEstimate:
    """Shares a model's layers out as llama.cpp does (src/llama-model.cpp, load_tensors).

    Args:
        request: the model, whose download's size is what is shared, and the engine's arguments.
        cluster: the machines; llama.cpp reaches other machines' devices by RPC.

    Raises:
        Refusal: `one_machine_only`, `too_many_rpc_devices`, `weights_too_large` or `too_little_host_memory`.
        Unplanned: the size of the weights isn't known.
    """
    entry = request.model
    offload = read_offload(request.engine, request.arguments, entry.model)
    if request.engine is Engine.OLLAMA:
        check_one_machine(cluster.machines)
    check_rpc_devices(cluster.accelerators)
    if not entry.download_bytes:
        raise Unplanned("model.config", f"the size of {entry.name}'s weights isn't known", "name it by its hub's id")
    if offload.shares and len(offload.shares) > cluster.accelerators:
        raise Refusal(
            "bad_argument",
            "tensor_split",
            f"gives {pluralize(len(offload.shares), 'share')} for {pluralize(cluster.accelerators, 'device')}",
            f"give at most {cluster.accelerators}",
        )
    weighed = [(tensor, nbytes, offload.host(tensor.name)) for tensor, nbytes in tensor_bytes(entry)]
    wanted = offload.gpu_layers
    # The engine's own fit takes as many as fit.
    count = wanted if wanted is not None else _most(entry, cluster, offload, weighed)
    found = _laid_out(entry, cluster, offload.with_layers(count), weighed)
    if wanted is not None:
        _check_devices(found, entry, cluster, offload, weighed)
    _check_host(found, entry, cluster, estimated=entry.estimated)
    close = _over(found, cluster, 1.0)
    if close is not None:
        note = f"device {close} is counted as full: if loading fails, put fewer layers on accelerators"
        found = replace(found, notes=(*found.notes, note))
    return found


def _order(cluster: Cluster) -> list[Device]:
    """Devices as llama.cpp lists them: RPC servers' first, the first machine's own last."""
    own, ranked = cluster.each[0], cluster.ranked
    return [*ranked[own:], *ranked[:own]]


def _laid_out(entry: ModelEntry, cluster: Cluster, offload: Offload, weighed: Weighed) -> OffloadEstimate:
    model, devices = entry.model, _order(cluster)
    layers, slots = model.layers, min(offload.gpu_layers or 0, model.layers + 1)
    first = layers + 1 - slots
    shares = [*offload.shares, *(0.0,) * (len(devices) - len(offload.shares))]
    if not sum(shares):
        shares = [float(device.total) for device in devices]
    limits = list(accumulate(share / sum(shares) for share in shares))

    def place(slot: int) -> int | None:
        """The device of a layer, the head being the one after the last; None for the host."""
        if slot < first or not slots:
            return None
        return min(bisect_right(limits, (slot - first) / slots), len(devices) - 1)

    of_layer = [place(layer) for layer in range(layers)]
    weights, cache, host = [0.0] * len(devices), [0.0] * len(devices), 0.0
    for tensor, nbytes, on_host in weighed:
        where = of_layer[tensor.layer] if tensor.layer is not None else place(layers)
        if tensor.name.startswith("token_embd") or where is None or on_host:
            host += nbytes
        else:
            weights[where] += nbytes
    context = min(offload.context or CONTEXT, model.positions)
    for layer, where in enumerate(of_layer):
        kept = _cache_bytes(model, layer, offload) * context
        if where is None or offload.cache_on_host:
            host += kept
        else:
            cache[where] += kept
    counts = tuple(sum(where == device for where in of_layer) for device in range(len(devices)))
    notes = _notes(entry, offload, host, of_layer)
    return OffloadEstimate(Split(), notes, counts, tuple(weights), tuple(cache), host, of_layer.count(None))


def _notes(entry: ModelEntry, offload: Offload, host: float, of_layer: Sequence[int | None]) -> tuple[str, ...]:
    left = of_layer.count(None)
    layers = f", {left} of {pluralize(len(of_layer), 'layer')} among them" if left else ""
    notes = [f"the first machine's own memory holds about {host / GIB:.0f} GiB of weights and KV cache{layers}"]
    if entry.estimated:
        notes.append("the file's size isn't known: it is estimated by the usual width of its quantization")
    if offload.context is None:
        notes.append(f"no context is given: {CONTEXT:,} tokens are counted")
    notes += [f"{what} isn't counted" for what in offload.extras]
    return tuple(notes)


def _cache_bytes(model: Model, layer: int, offload: Offload) -> float:
    """Bytes of a token in one layer; MLA keeps one vector, and values are part of it."""
    key, value = offload.cache_bytes
    a = model.attention
    if model.kinds[layer] in ("linear", "none"):
        return 0.0
    if isinstance(a, LatentAttention):
        return (a.kv_lora_rank + a.rope_dim) * key
    return a.kv_heads * a.head_dim * (key + value)


def _over(found: OffloadEstimate, cluster: Cluster, share: float) -> int | None:
    """The first device that holds more than it can, its weights counted at `share` of their size."""
    held = [weights * share + cache for weights, cache in zip(found.weights, found.cache, strict=True)]
    return next((i for i, d in enumerate(_order(cluster)) if held[i] > d.total - SCRATCH), None)


def _most(entry: ModelEntry, cluster: Cluster, offload: Offload, weighed: Weighed) -> int:
    """The most layers that fit on their devices, the head counted as one."""
    fits, above = 0, entry.model.layers + 2
    while above - fits > 1:
        count = (fits + above) // 2
        if _over(_laid_out(entry, cluster, offload.with_layers(count), weighed), cluster, 1.0) is None:
            fits = count
        else:
            above = count
    return fits


def _check_devices(
    found: OffloadEstimate,
    entry: ModelEntry,
    cluster: Cluster,
    offload: Offload,
    weighed: Weighed,
) -> None:
    over = _over(found, cluster, LOWER_BOUND[entry.estimated])
    if over is None:
        return
    fits = _most(entry, cluster, offload, weighed)
    there = entry.model.experts is None or offload.host(f"blk.{entry.model.layers - 1}.ffn_up_exps.weight")
    able = not there and offload.engine is Engine.LLAMACPP
    experts = "leave the experts in the machine's memory (--cpu-moe)" if able else ""
    smaller = "use more devices, at most 15, or a smaller quantization"
    raise Refusal(
        "weights_too_large",
        "model",
        f"a device would hold {found.weights[over] / GIB:.1f} GiB of weights and "
        f"{found.cache[over] / GIB:.1f} GiB of KV cache, and can hold "
        f"{(_order(cluster)[over].total - SCRATCH) / GIB:.1f}",
        experts if fits else smaller,
        [offload.change(fits)] if fits else (),
    )


def _check_host(found: OffloadEstimate, entry: ModelEntry, cluster: Cluster, *, estimated: bool) -> None:
    if cluster.host_memory is None or found.host * LOWER_BOUND[estimated] + SYSTEM <= cluster.host_memory:
        return
    raise Refusal(
        "too_little_host_memory",
        "gpu_layers",
        f"the first machine would hold {found.host / GIB:.0f} GiB of "
        f"{entry.name} in its own memory, which has {cluster.host_memory / GIB:.0f} GiB",
        "put more layers on accelerators, or use a smaller quantization",
    )
