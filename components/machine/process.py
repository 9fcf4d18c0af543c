"""A process that a machine keeps running for us, where no container engine and no init do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_command import remote

from components.machine.agent_call import hide
from components.machine.machine import Machine
from components.machine.payload import FILES, content_hash, pack, parse_result
from components.machine.receiving import receive_command

OWN = {"step.sh": "process.sh", **{name: name for name in ("run.sh", "lib.sh", "process_supervisor.py")}}


@dataclass(frozen=True)
class ProcessArgs:
    """One process.

    Attributes:
        argv: program and words.
        environment: variables, beside the login's.
        path: folders before PATH.
        files: content by its path below the process's own `files/`; secrets among them, readable by the login only.
        renames: a path as words and variables have it, to where it is on the machine; `./x` is below the process's
            own folder, `~` the login's.
        check: any text; another has it looked after again, and started if it isn't running.
    """

    argv: pulumi.Input[Sequence[pulumi.Input[str]]]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    path: pulumi.Input[Sequence[str]] = ()
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    check: str = ""


class RemoteProcess:
    """Kept running by files/process_supervisor.py: restarted when it ends, its log kept, gone when the resource is.

    What changes restarts it in place; what doesn't leaves it alone.

    Attributes:
        id: another value is another run of it.
        done: what others depend on who need it started.
    """

    id: pulumi.Output[str]
    done: pulumi.Resource

    def __init__(
        self, name: str, *, machine: Machine, stack: str, args: ProcessArgs, opts: pulumi.ResourceOptions
    ) -> None:
        """Declares the process.

        Args:
            name: Pulumi name, and the process's name on the machine.
            machine: where it runs.
            stack: the deployment's own name on machines.
            args: which process.
            opts: parent and order.
        """
        own = {target: (FILES / source).read_bytes() for target, source in OWN.items()}
        spec = pulumi.Output.json_dumps(
            {
                "argv": args.argv,
                "environment": dict(args.environment),
                "path": args.path,
                "renames": dict(args.renames),
                "owner": stack,
            },
            sort_keys=True,
        )
        told = {"PROCESS": name, "TANDEM_TIMEOUT": "120", **({"CHECK": args.check} if args.check else {})}
        # Files may be secret and stay out of the hash; that they changed is seen by the standard input.
        version = spec.apply(lambda text: content_hash({**own, "spec.json": text.encode()}, told))
        whole = pulumi.Output.all(spec, dict(args.files)).apply(lambda both: _packed(own, both, told))
        end = ["bash", "-c", (FILES / "end_process.sh").read_text(), "end", machine.base, stack, name]
        before = [machine.taken] if machine.taken else []
        command = remote.Command(
            name,
            connection=machine.connection(),
            create=version.apply(lambda v: receive_command(machine, stack, f"process-{name}", v, "sync")),
            delete=machine.as_root(end),
            stdin=hide(machine.root_stdin(whole)),
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(deleted_with=machine.owner, depends_on=before)
            ),
        )
        self.done = command
        self.id = command.stdout.apply(lambda text: parse_result(text)["id"])


def _packed(own: Mapping[str, bytes], both: Sequence[Any], told: Mapping[str, str]) -> str:
    spec, files = str(both[0]), {f"files/{path}": str(text).encode() for path, text in both[1].items()}
    return pack({**own, **files, "spec.json": spec.encode()}, told)
