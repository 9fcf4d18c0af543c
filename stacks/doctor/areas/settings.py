"""The stack's file, and what it names on this computer."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning
from stacks.platforms.keys import expanded


def valid(evidence: Evidence) -> Iterator[Problem]:
    """Whether `pulumi up` would take the settings."""
    for line in evidence.stack.mistakes.splitlines():
        if line.startswith("  "):
            setting = line.strip().partition(":")[0]
            yield error(
                setting, line.strip().partition(": ")[2], f"change {setting} in Pulumi.{evidence.stack.name}.yaml"
            )
    settings = evidence.stack.settings
    if settings and settings.cloud and settings.cloud.for_documentation:
        yield error(
            "cloud.adminCidrs",
            f"{', '.join(settings.cloud.for_documentation)} is an example that is nobody's address",
            "put in your own public address with /32",
        )
    if evidence.stack.mistakes and not evidence.stack.mistakes.count("\n"):
        yield error("settings", evidence.stack.mistakes, f"change it in Pulumi.{evidence.stack.name}.yaml")


def state(evidence: Evidence) -> Iterator[Problem]:
    """Whether the state can be read, and whether the last `up` came to its end."""
    stack = evidence.stack
    if stack.unread:
        raise NotCheckedError(f"the state could not be read ({stack.unread})")
    if not stack.resources:
        raise NotCheckedError("the stack was never brought up")
    if "apiUrl" not in stack.outputs:
        yield warning("stack", "the last `pulumi up` did not come to its end", f"pulumi up --stack {stack.name}")


def ssh(evidence: Evidence) -> Iterator[Problem]:
    """Whether the key that opens the machines is there."""
    own = evidence.settings.ssh
    if own.agent:
        raise NotApplicableError
    file = expanded(own.private_key_file)
    if not file.is_file():
        yield error("ssh.privateKeyFile", f"{own.private_key_file} is not there", f"ssh-keygen -t ed25519 -f {file}")
    elif file.stat().st_mode & 0o077:
        yield error(
            "ssh.privateKeyFile", f"others may read {own.private_key_file}, so ssh doesn't use it", f"chmod 600 {file}"
        )


CHECKS = (
    Check("settings.valid", "`pulumi up` takes the settings", valid),
    Check("settings.ssh", "the private key is there, and readable by you alone", ssh),
    Check("settings.state", "the state is readable, and the last `up` came to its end", state),
)
