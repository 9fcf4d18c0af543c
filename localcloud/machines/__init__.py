"""Real machines on one Linux machine: systemd, SSH, addresses, Docker, packages and NFS.

Not a wall against hostile code: machines share the host's kernel and run with all capabilities.
"""

from localcloud.machines.machine import Machine
from localcloud.machines.site import Site

__all__ = ["Machine", "Site"]
