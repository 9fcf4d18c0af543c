"""What the gateway's secrets must be: API keys by name, and the key of a certificate of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from components.gateway import KEY_PATTERN
from components.gateway.certificate import key_matches
from stacks.settings.gateway import GatewaySettings
from stacks.settings.team import TeamSettings

TEAM_SECRETS = ("teamKey", "teamSaltKey")
KEY_MINIMUM = 16
"""Characters of an API key: 16 of [A-Za-z0-9] are 95 bits, out of reach of guessing over a network."""


def key_problems(name: str, key: str) -> list[str]:
    """What is wrong with one API key, a line each."""
    problems = []
    if len(key) < KEY_MINIMUM:
        problems.append(
            f"{name}: has {len(key)} characters, which can be guessed; give {KEY_MINIMUM} or more "
            f"(`pulumi config set --secret{' --path' if '.' in name else ''} {name} $(openssl rand -hex 24)`), or none "
            "to have one made"
        )
    if not KEY_PATTERN.fullmatch(key):
        problems.append(f"{name}: holds characters that a header can't carry; letters, digits and . _ ~ + / = - only")
    return problems


def parse_named(text: str | None) -> dict[str, str]:
    """What a secret that holds several texts has, by name: `apiKeys`, `alertReceivers`.

    Raises:
        ValueError: the text is no JSON object of texts.
    """
    given = json.loads(text) if text else {}
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise ValueError("no object of texts")
    return dict(given)


def gateway_problems(gateway: GatewaySettings, keys_text: str | None, tls_key: str | None) -> list[str]:
    """What the gateway's settings and its secrets don't allow together, a line each."""
    try:
        keys = parse_named(keys_text)
    except ValueError:
        return [
            "apiKeys: is no object of names and keys; set one with `pulumi config set --secret --path apiKeys.NAME KEY`"
        ]
    problems = [problem for name, key in keys.items() for problem in key_problems(f"apiKeys.{name}", key)]
    if unknown := sorted(keys.keys() - set(gateway.keys)):
        problems.append(
            f"apiKeys: {', '.join(unknown)} stands in no gateway.keys, so nobody could use it; add the name there, or "
            "take the key out"
        )
    tls = gateway.tls
    if tls.mode == "files" and not tls_key:
        problems.append("tlsKey: is missing; set it with `pulumi config set --secret tlsKey < key.pem`")
    if tls.mode != "files" and tls_key:
        problems.append(f"tlsKey: has no meaning with gateway.tls {tls.mode}; take it out")
    if tls.mode == "files" and tls_key and tls.certificate_file:
        certificate = Path(tls.certificate_file).expanduser().read_text(errors="replace")
        if said := key_matches(certificate, tls_key):
            problems.append(said)
    return problems


def team_problems(team: TeamSettings, given: Mapping[str, str | None]) -> list[str]:
    """What is wrong with LiteLLM's own keys, a line each.

    Args:
        team: the settings.
        given: a key by its name, one of TEAM_SECRETS; None where it is to be made.
    """
    problems = []
    for name, key in given.items():
        if key and not team.enabled:
            problems.append(f"{name}: has no meaning without gateway.team; take it out")
        elif key:
            problems += key_problems(name, key)
            if not key.startswith("sk-"):
                problems.append(f"{name}: must begin with sk-, as LiteLLM's keys do; set it to sk- and random letters")
    return problems
