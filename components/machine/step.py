"""One piece of work on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.machine.delivery import delivery
from components.machine.local_command import local_command
from components.machine.machine import Machine
from components.machine.payload import parse_result
from components.machine.progress import follow


class RemoteStep:
    """A script, run on a machine until it has succeeded with this very content.

    The script checks, acts and verifies; it may run again at any time. Its text, files and environment
    are hashed into the command: a change runs it again in place. Short work is one SSH command. Long
    work (`long=True`) runs as a systemd unit, watched by short commands that survive cut connections
    and reboots, with a status line that moves.

    No component: its one or two commands are the caller's children, and a machine has many steps.

    Attributes:
        result: what the script reported with `result KEY=VALUE...`.
        done: what others depend on who come after this step.
    """

    result: pulumi.Output[dict[str, str]]
    done: pulumi.Resource

    def __init__(
        self,
        name: str,
        *,
        machine: Machine,
        script: Path,
        files: Mapping[str, Path] | None = None,
        environment: Mapping[str, pulumi.Input[str]] | None = None,
        secrets: Mapping[str, pulumi.Input[str]] | None = None,
        long: bool = False,
        timeout: int = 600,
        after: Sequence[pulumi.Resource] = (),
        parent: pulumi.Resource,
    ) -> None:
        """Declares the step.

        Args:
            name: Pulumi name; starts with the machine's.
            machine: where it runs, with the rights of its installation.
            script: the script file; finds `lib.sh` beside it on the machine.
            files: more files, by the name they have there.
            environment: variables of the script.
            secrets: the same, but hidden in state and logs, and no part of the hash.
            long: takes more than some 20 seconds.
            timeout: seconds the script may take.
            after: what must be done before.
            parent: the component that it is a part of.
        """
        step = name.removeprefix(f"{machine.name}-")
        own = {"TANDEM_MACHINE": machine.identity} if machine.identity is not None else {}
        work = delivery(
            machine,
            step,
            script=script,
            files=files,
            variables={**(environment or {}), "TANDEM_TIMEOUT": str(timeout), **own},
            secrets=secrets,
        )
        before = [*after, *([machine.acquired] if machine.acquired else [])]
        children = pulumi.ResourceOptions(parent=parent, deleted_with=machine.owner, depends_on=before)
        if not long:
            run = remote.Command(
                f"{name}-run",
                connection=machine.connection(),
                create=work.remote_command,
                stdin=work.remote_stdin,
                add_previous_output_in_env=False,
                opts=children,
            )
            self.done, self.result = run, run.stdout.apply(parse_result)
            return
        launched = local_command(f"{name}-run", call=work.call, create=work.agent_command("launch"), opts=children)
        follow(name, parent)
        folder = work.version.apply(lambda version: f"{machine.folder}/steps/{step}/{version}")
        done = local_command(
            f"{name}-done",
            call={**machine.facts(), "folder": folder},
            create=work.agent_command("await"),
            opts=pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(depends_on=[launched])),
        )
        self.done, self.result = done, done.stdout.apply(parse_result)
