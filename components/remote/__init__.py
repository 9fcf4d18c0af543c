"""Work on machines over SSH: the only package that imports `pulumi_command`.

A *step* is a script file with its environment, delivered by standard input and run once by
`remote.Command`; long work becomes a systemd unit that short commands watch. A *lease* stands for
our presence on a machine: taken before the first step, given back when the stack is destroyed.
"""

from components.remote.answer import Answer
from components.remote.generated import GeneratedSecret
from components.remote.here import run_here
from components.remote.host_key import HostKey
from components.remote.login import Login
from components.remote.machine import BASE, Jump, Lease, Machine
from components.remote.process import ProcessArgs, RemoteProcess
from components.remote.step import RemoteStep
from components.remote.words import known_name, proxy_command

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
