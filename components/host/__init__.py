"""A machine made ready: facts, Docker, tuning, storage. Accelerator stages stand here too, one file each."""

from components.host.host import Host, HostArgs

__all__ = ["Host", "HostArgs"]
