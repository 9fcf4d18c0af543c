"""vLLM on Ascend NPUs: vllm-ascend, and vllm-mindspore, which the seed of this recipe used."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.serving.vllm import Vllm


@dataclass(frozen=True)
class AscendVllm(Vllm):
    """vLLM with vllm-ascend's plugin (0.23.0): the same arguments, NPUs in Ray, HCCL instead of NCCL."""

    name: str = "vllm-ascend"
    accelerator: str = "NPU"
    mindspore: bool = False

    def environment(
        self, address: pulumi.Input[str], nic: pulumi.Input[str], accelerators: int
    ) -> dict[str, pulumi.Input[str]]:
        """See `Engine`. Ray must leave ASCEND_RT_VISIBLE_DEVICES alone, which its environment says when it starts."""
        found = {
            **super().environment(address, nic, accelerators),
            "HCCL_IF_IP": address,
            "HCCL_SOCKET_IFNAME": nic,
            "TP_SOCKET_IFNAME": nic,
            "HCCL_OP_EXPANSION_MODE": "AIV",
            "ASCEND_RT_VISIBLE_DEVICES": ",".join(str(number) for number in range(accelerators)),
            "RAY_EXPERIMENTAL_NOSET_ASCEND_RT_VISIBLE_DEVICES": "1",
        }
        del found["NCCL_SOCKET_IFNAME"]
        if self.mindspore:
            found |= {
                "MS_ENABLE_LCCL": "off",
                "MS_ALLOC_CONF": "enable_vmm:true",
                "vLLM_MODEL_BACKEND": "MindFormers",
            }
        return found
