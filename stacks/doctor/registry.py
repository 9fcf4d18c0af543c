"""All checks, in the order in which they are printed."""

from __future__ import annotations

from stacks.doctor.areas import account, certificates, drift, gpus, machines, network, ports, serving, settings, storage
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, Finding

CHECKS: tuple[Check[Evidence], ...] = tuple(
    check
    for area in (settings, account, network, machines, gpus, storage, ports, certificates, drift, serving)
    for check in area.CHECKS
)


def judge(evidence: Evidence) -> list[Finding]:
    """What all checks find, secrets taken out."""
    return [finding for check in CHECKS for finding in check.findings(evidence)]
