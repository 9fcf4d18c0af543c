"""A process on the machine itself, under a supervisor of ours; where systemd is, it starts with the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_command import remote

from components.machine.delivery import delivery
from components.machine.machine import Machine
from components.machine.payload import FILES, parse_result


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
        trigger: any text; another has it looked after again, and started if it isn't running.
    """

    argv: pulumi.Input[Sequence[pulumi.Input[str]]]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    path: pulumi.Input[Sequence[str]] = ()
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    trigger: str = ""


class RemoteProcess:
    """Supervised by files/process_supervisor.py: restarted when it ends, its log kept, removed with the resource.

    What changes restarts it in place; what doesn't leaves it alone. On a machine where steps have root a unit of
    systemd, `STACK-NAME`, holds it: such machines are the deployment's own, and are rebooted.

    Attributes:
        id: another value is another run of it.
        done: what others depend on who need it started.
    """

    id: pulumi.Output[str]
    done: pulumi.Resource

    def __init__(self, name: str, *, machine: Machine, args: ProcessArgs, opts: pulumi.ResourceOptions) -> None:
        """Declares the process.

        Args:
            name: Pulumi name, and the process's name on the machine.
            machine: where it runs.
            args: which process.
            opts: parent and order.
        """
        spec = pulumi.Output.json_dumps(
            {
                "argv": args.argv,
                "environment": dict(args.environment),
                "path": args.path,
                "renames": dict(args.renames),
                "owner": machine.stack,
            },
            sort_keys=True,
        )
        variables = {
            "PROCESS": name,
            "TANDEM_TIMEOUT": "120",
            **({"UNIT": "yes"} if machine.installation.root else {}),
            **({"TRIGGER": args.trigger} if args.trigger else {}),
        }
        work = delivery(
            machine,
            f"process-{name}",
            script=FILES / "process.sh",
            files={"process_supervisor.py": FILES / "process_supervisor.py"},
            texts={"spec.json": spec},
            variables=variables,
            # That they changed is seen by the standard input.
            secret_texts={f"files/{path}": text for path, text in args.files.items()},
        )
        end = [
            "bash",
            "-c",
            (FILES / "end_process.sh").read_text(),
            "end",
            machine.installation.base,
            machine.stack,
            name,
        ]
        before = [machine.acquired] if machine.acquired else []
        command = remote.Command(
            name,
            connection=machine.connection(),
            create=work.remote_command,
            delete=machine.as_root(end),
            stdin=work.remote_stdin,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions.merge(
                opts, pulumi.ResourceOptions(deleted_with=machine.owner, depends_on=before)
            ),
        )
        self.done = command
        self.id = command.stdout.apply(lambda text: parse_result(text)["id"])
