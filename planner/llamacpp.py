"""llama.cpp and Ollama: whole layers on each device, no tensor parallelism."""

from __future__ import annotations

from dataclasses import dataclass

from planner.catalog import ModelEntry
from planner.cluster import Cluster
from planner.parallelism import check_rpc_devices
from planner.refusal import Refusal

SCRATCH = 1.5 * 2**30
"""Bytes of a device for the CUDA context and compute buffers: llama.cpp's own fit keeps 1 GiB free beside these."""


@dataclass(frozen=True)
class LayerSplit:
    """Layers and bytes of weights of each device, in the order they compute."""

    layers: tuple[int, ...]
    weights: tuple[float, ...]


def split_layers(entry: ModelEntry, cluster: Cluster, *, one_machine: bool = False) -> LayerSplit:
    """Shares a model's layers by memory.

    Args:
        entry: the model; its download's size is what is shared.
        cluster: the machines; llama.cpp reaches other machines' devices by RPC.
        one_machine: Ollama knows no other machines.

    Raises:
        Refusal: `one_machine_only`, `too_many_rpc_devices` or `weights_too_large`.
    """
    if one_machine and cluster.machines > 1:
        raise Refusal(
            "one_machine_only", "engine", f"Ollama uses one machine, and {cluster.machines} are given",
            "give one machine, or use engine llamacpp",
        )  # fmt: skip
    check_rpc_devices(cluster.accelerators)
    model, devices = entry.model, cluster.accelerators
    total = float(entry.download_bytes or 0)
    layers = [model.layers // devices + (1 if i < model.layers % devices else 0) for i in range(devices)]
    weights = [total * count / model.layers for count in layers]
    room = cluster.device.total - SCRATCH
    if max(weights) > room:
        raise Refusal(
            "weights_too_large", "model", f"a device would hold {max(weights) / 2**30:.1f} GiB of weights and has room "
            f"for {room / 2**30:.1f}", "use more devices, at most 15, or a smaller quantization",
        )  # fmt: skip
    return LayerSplit(tuple(layers), tuple(weights))
