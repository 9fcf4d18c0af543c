"""Work on machines over SSH: the only package that imports `pulumi_command`.

A *step* is a script file with its environment, delivered by standard input: short work is one `remote.Command`, long
work becomes a systemd unit that `agent.py` starts and watches. A *lease* stands for what lies on a machine: acquired
before the first step, and what it stands for is removed when the stack is destroyed.
"""

from components.machine.confirmed_change import confirmed_change
from components.machine.generated import GeneratedSecret
from components.machine.host_key import HostKeys
from components.machine.installation import BASE, Installation
from components.machine.local_command import local_command
from components.machine.machine import Jump, Lease, Machine
from components.machine.probe import url_probe
from components.machine.process import ProcessArgs, RemoteProcess
from components.machine.progress import shown
from components.machine.shared import PACKAGE_MANAGER, PIP
from components.machine.stages import Stage, run_stages
from components.machine.standalone import known_name, proxy_command
from components.machine.step import RemoteStep

__all__ = [
    "BASE",
    "PACKAGE_MANAGER",
    "PIP",
    "GeneratedSecret",
    "HostKeys",
    "Installation",
    "Jump",
    "Lease",
    "Machine",
    "ProcessArgs",
    "RemoteProcess",
    "RemoteStep",
    "Stage",
    "confirmed_change",
    "known_name",
    "local_command",
    "proxy_command",
    "run_stages",
    "shown",
    "url_probe",
]
