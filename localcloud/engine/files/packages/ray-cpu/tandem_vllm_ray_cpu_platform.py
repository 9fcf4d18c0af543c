"""vLLM's CPU platform with a Ray resource to be counted by."""

from vllm.platforms.cpu import CpuPlatform  # type: ignore[import-not-found]  # only the engine has it


class RayCpuPlatform(CpuPlatform):  # type: ignore[misc]  # its base is unknown here
    """A CPU rank takes one of Ray's "GPU" slots: start Ray with ``--num-gpus=<ranks on this node>``.

    CpuPlatform leaves the key empty, and vLLM's Ray executor refuses a platform without one.
    """

    ray_device_key = "GPU"

    @classmethod
    def get_device_communicator_cls(cls) -> str:
        """Return the dotted name of the class through which ranks talk."""
        return "tandem_vllm_ray_cpu_communicator.NodeCpuCommunicator"
