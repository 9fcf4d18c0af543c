"""Who reaches what: security groups, the URL, machines among themselves, hubs and registries."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.doctor.egress_targets import ways_of
from stacks.doctor.evidence import Evidence
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning

MOST_LOSS = 2.0
"""Percent of packets: TCP halves its speed at each lost one, and collectives wait for the slowest."""


def rules(evidence: Evidence) -> Iterator[Problem]:
    """Whether security groups let in what is declared, and nothing else."""
    _ = evidence.cloud
    up = f"pulumi up --stack {evidence.stack.name}"
    for rule in evidence.answer("undeclared"):
        yield error(
            f"{rule.group_name}",
            f"{rule} is not declared",
            f"{up}, which revokes it; to keep it, name its range in cloud.adminCidrs or gateway.allowedCidrs",
        )
    for group, rule in evidence.answer("missing"):
        yield error(group, f"`{rule}` is declared and not there", f"pulumi refresh --yes, then {up}")


def url(evidence: Evidence) -> Iterator[Problem]:
    """Whether this computer reaches the URL."""
    if not evidence.stack.outputs.get("apiUrl"):
        raise NotCheckedError("no `pulumi up` has come to the end yet")
    if why := evidence.seen("url"):
        settings = evidence.settings
        open_to = "gateway.allowedCidrs" if settings.platform == "alicloud" else "the firewall before the first machine"
        yield error(
            "gateway.port",
            f"{evidence.stack.outputs['apiUrl']} is not reached from this computer ({why})",
            f"let this computer's address in by {open_to}, and see that the gateway runs: "
            f"make logs STACK={evidence.stack.name} GREP=gateway",
        )


def peers(evidence: Evidence) -> Iterator[Problem]:
    """Whether each machine reaches each other at its private address."""
    if len(evidence.serving) < 2:
        raise NotApplicableError
    setting = "the security groups (pulumi refresh)" if evidence.stack.rents else "machines[].privateAddress"
    facts = evidence.facts("peers")
    if not any(found for _, found in facts):
        raise NotCheckedError("where machines reach each other is in the settings, which can't be used")
    for place, found in facts:
        for name, each in sorted(found.items()):
            if each["error"]:
                address = next(p.peer_address for p in evidence.places if p.name == name)
                yield error(
                    place.name,
                    f"{name} is not reached at {address} ({each['error']})",
                    f"correct {setting}, or what filters packets between the two",
                )


def loss(evidence: Evidence) -> Iterator[Problem]:
    """Whether packets between machines arrive."""
    if len(evidence.serving) < 2:
        raise NotApplicableError
    said = False
    for place, found in evidence.facts("peers"):
        for name, each in sorted(found.items()):
            said = said or each["loss"] is not None
            if each["loss"] is not None and each["loss"] >= MOST_LOSS:
                yield warning(
                    place.name,
                    f"{each['loss']:g} % of the packets to {name} and back are lost",
                    "see the network interface's errors (`ip -s link`), its cable, its switch, and filters between",
                )
    if not said:
        raise NotCheckedError("echoes (ICMP) don't come back; they may be filtered")


def outside(evidence: Evidence) -> Iterator[Problem]:
    """Whether machines reach the hub, the registries and the mirrors that settings name."""
    settings = evidence.settings
    whole = evidence.stack.named("answer-asked") is not None
    for place, found in evidence.facts("fetch"):
        for way in ways_of(settings, place, whole=whole):
            answers = {link: found.get(link, "was not asked") for link in way.urls}
            if not all(answers.values()):
                continue
            said = "; ".join(f"{link}: {why}" for link, why in answers.items())
            mirror = {"images": "mirrors.registryMirrors", "webui": "mirrors.registryMirrors"}.get(
                way.setting.partition(".")[0], way.setting
            )
            yield error(
                place.name,
                f"{way.origin}, which {way.setting} needs, is not reached ({said})",
                f"let the machine reach it, set mirrors.httpsProxy, or name one that it reaches in {mirror}",
            )


CHECKS = (
    Check("network.rules", "security groups let in what is declared, and nothing else", rules),
    Check("network.url", "this computer reaches the URL", url),
    Check("network.peers", "each machine reaches each other at its private address", peers),
    Check("network.loss", "packets between machines arrive", loss),
    Check("network.outside", "machines reach the hub, the registries and the mirrors that settings name", outside),
)
