"""One piece of work on one machine."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
from pulumi_command import local, remote

from components.machine.agent_call import agent_call, agent_input, hide
from components.machine.inputs import combined
from components.machine.machine import Machine
from components.machine.payload import FILES, content_hash, pack, parse_result
from components.machine.progress import follow
from components.machine.receiving import receive_command, receive_stdin


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
        texts = {
            "step.sh": _content(script),
            **{f: _content(FILES / f) for f in ("run.sh", "lib.sh")},
            **{target: _content(source) for target, source in (files or {}).items()},
        }
        variables = {**(environment or {}), "TANDEM_TIMEOUT": str(timeout)}
        if machine.identity is not None:
            variables["TANDEM_MACHINE"] = machine.identity
        plain = combined(variables)
        everything = combined({**variables, **secrets}) if secrets else plain
        mode = "launch" if long else "sync"
        version = plain.apply(lambda env: content_hash(texts, env))
        command = version.apply(lambda v: receive_command(machine, step, v, mode))
        stdin = everything.apply(lambda env: receive_stdin(pack(texts, env)))
        before = [*after, *([machine.acquired] if machine.acquired else [])]
        children = pulumi.ResourceOptions(parent=parent, deleted_with=machine.owner, depends_on=before)
        run = remote.Command(
            f"{name}-run",
            connection=machine.connection(),
            create=command,
            stdin=hide(machine.root_stdin(stdin)),
            add_previous_output_in_env=False,
            opts=children,
        )
        self.done, stdout = run, run.stdout
        if long:
            follow(name, parent)
            folder = version.apply(lambda v: f"{machine.folder}/steps/{step}/{v}")
            call = {**machine.facts(), "folder": folder}
            done = local.Command(
                f"{name}-done",
                create=pulumi.Output.concat(agent_call("await", step), " ", version),
                stdin=agent_input(call),
                add_previous_output_in_env=False,
                opts=pulumi.ResourceOptions.merge(children, pulumi.ResourceOptions(depends_on=[run])),
            )
            self.done, stdout = done, done.stdout
        self.result = stdout.apply(parse_result)


@functools.cache
def _content(file: Path) -> bytes:
    """Read once, for however many machines."""
    return file.read_bytes()
