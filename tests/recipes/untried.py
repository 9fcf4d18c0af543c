"""What of each recipe could not be tried without its hardware, and how somebody who has it tries it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Untried:
    """One recipe's rest.

    Attributes:
        what: was not tried.
        place: what to put in place before the one command, `pulumi up --stack <recipe>`.
        look: where to look then.
    """

    what: str
    place: str
    look: str


OWN = "your machines"
GGUF = f"{OWN}; the GGUF folder that the recipe's head names"
COLLECTIVE, MEMORY = "the collective", "the KV cache"
"""Explained below the table (docs/recipes.md), as `your machines` is."""
LAYERS = "`llama-server`'s line `offloaded N layers` and `nvidia-smi`: no device is full; tokens a second"

UNTRIED: dict[str, Untried] = {
    "dev": Untried(
        "a real account: prices, stock, quota, the real API; L20s, their driver, NCCL, 72B weights",
        "`cloud.adminCidrs`, the account's two keys in the environment",
        f"the plan's price before anything is rented; {COLLECTIVE}; {MEMORY}; `make sweep STACK=dev` after destroy",
    ),
    "h20-vllm": Untried(
        "H20s, NVLink and Fabric Manager, InfiniBand; 1370 GB of weights; TP8 within a machine; memory at 0.96",
        f"{OWN}; the cards in `NCCL_IB_HCA`, or none",
        f"{COLLECTIVE}; {MEMORY}",
    ),
    "h20-sglang": Untried(
        "SGLang itself (its parser was), H20s, InfiniBand, FP8 weights, TP16",
        f"{OWN}; the cards in `NCCL_IB_HCA`, or none",
        f"{COLLECTIVE}; SGLang's `max_total_num_tokens` against the plan's requests at once",
    ),
    "h20-tensorrt-llm": Untried(
        "TensorRT-LLM itself, its flags, its image's MPI; H20s, InfiniBand, TP16 and EP16",
        f"{OWN}; the cards in `NCCL_IB_HCA`, or none",
        f"{COLLECTIVE}; 16 ranks in the log of the first machine's engine; an unknown flag is named by `pulumi up`",
    ),
    "rented-sglang": Untried(
        "a landlord's container, drive and forwarded port; SGLang itself, RTX 4090s, NCCL between them",
        "SSH addresses and ports, `privateAddress`, key and known hosts, `storage.path`, `gateway.url`",
        f"{COLLECTIVE}; `apiUrl` from outside",
    ),
    "rtx3090-vllm": Untried(
        "RTX 3090s, NCCL over their network, AWQ by Marlin kernels, TP8 x PP4 over four machines",
        OWN,
        f"{COLLECTIVE}; {MEMORY}",
    ),
    "rtx3090-ollama": Untried(
        "RTX 3090s, 16 layers on them, 404 GB as one file", GGUF, "`ollama ps`: the share on GPUs"
    ),
    "rtx3090-llamacpp": Untried("RTX 3090s, 50 layers over eight of them, 183 GB in parts", GGUF, LAYERS),
    "rtx3090-llamacpp-rpc": Untried(
        "RTX 3090s, 14 devices over two machines, the second load from the RPC servers' cache", GGUF, LAYERS
    ),
    "ascend-vllm": Untried(
        "vllm-ascend itself (its words were read by vLLM's parser), 910Bs, HCCL, W8A8 weights",
        f"{OWN}; Huawei's driver, firmware and `/etc/hccn.conf` on both",
        f"{COLLECTIVE}, over HCCL; `npu-smi info`; {MEMORY}",
    ),
    "ascend-mindspore": Untried(
        "vllm-mindspore and MindFormers, 910Bs, HCCL, MindSpore's weights",
        f"{OWN}; Huawei's driver, firmware and `/etc/hccn.conf`; the weights below `models/`",
        "the engine's log names the MindFormers configuration; `npu-smi info`",
    ),
}
