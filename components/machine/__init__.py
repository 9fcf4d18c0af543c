"""Work on machines over SSH: the only package that imports `pulumi_command`.

A *step* is a script file with its environment, delivered by standard input and run once by
`remote.Command`; long work becomes a systemd unit that short commands watch. A *lease* stands for
our presence on a machine: taken before the first step, given back when the stack is destroyed.
"""

from components.machine.answer import Answer
from components.machine.generated import GeneratedSecret
from components.machine.here import run_here
from components.machine.host_key import HostKey
from components.machine.login import Login
from components.machine.machine import BASE, Jump, Lease, Machine
from components.machine.process import ProcessArgs, RemoteProcess
from components.machine.step import RemoteStep
from components.machine.words import known_name, proxy_command

__all__ = [
    "BASE",
    "Answer",
    "GeneratedSecret",
    "HostKey",
    "Jump",
    "Lease",
    "Login",
    "Machine",
    "ProcessArgs",
    "RemoteProcess",
    "RemoteStep",
    "known_name",
    "proxy_command",
    "run_here",
]
