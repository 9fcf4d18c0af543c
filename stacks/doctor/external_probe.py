"""A stack as this computer sees it from outside: its URL, its certificate, a completion, and ports that are closed."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cryptography import x509

from stacks.doctor.addresses import Place
from stacks.doctor.deadline import ask_all
from stacks.doctor.stack import Stack
from stacks.project import ROOT
from stacks.settings import ports

PROBE = ROOT / "components/gateway/files/chat_probe.py"
ASK_SECONDS, ANSWER_SECONDS = 10, 65
"""Until when the probe asks again, and until when it may wait for an answer."""
CONNECT_SECONDS = 4.0


@dataclass(frozen=True)
class Certificate:
    """What the gateway shows.

    Attributes:
        pem: the leaf.
        begins: when it begins to hold.
        ends: and ends.
        names: names and addresses it is for.
        refusal: why a client that knows the stack's authority refuses it; empty when it doesn't.
    """

    pem: str
    begins: datetime
    ends: datetime
    names: tuple[str, ...]
    refusal: str


def url_of(stack: Stack, places: Sequence[Place]) -> str:
    """Base of the API, as the last `up` gave it, or as the settings will have it; empty where nothing is known."""
    url = stack.outputs.get("apiUrl")
    settings = stack.settings
    if url or settings is None:
        return str(url or "")
    if settings.gateway.url:
        return settings.gateway.url
    head = next((each for each in places if each.number == 0), None)
    scheme = "http" if settings.gateway.tls.mode == "none" else "https"
    return f"{scheme}://{head.address}:{settings.gateway.port}/v1" if head else ""


def connect(url: str) -> str:
    """Why no connection to a URL's host comes about; empty when it does."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS * 2).close()
    except OSError as error:
        return str(error)
    return ""


def certificate(url: str, authority: str) -> Certificate:
    """What is shown at a URL, and whether clients take it.

    Raises:
        OSError: nothing speaks TLS there.
    """
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or 443)
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    der = _handshake(place, anybody)
    leaf = x509.load_der_x509_certificate(der)
    careful = ssl.create_default_context(cadata=authority or None)
    refusal = ""
    try:
        _handshake(place, careful)
    except ssl.SSLCertVerificationError as error:
        refusal = error.verify_message
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = (*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress)))
    except x509.ExtensionNotFound:
        names = ()
    pem = ssl.DER_cert_to_PEM_cert(der)
    return Certificate(pem, leaf.not_valid_before_utc, leaf.not_valid_after_utc, names, refusal)


def _handshake(place: tuple[str, int], context: ssl.SSLContext) -> bytes:
    with (
        socket.create_connection(place, timeout=CONNECT_SECONDS * 2) as plain,
        context.wrap_socket(plain, server_hostname=place[0]) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True) or b""


def completion(stack: Stack) -> str:
    """What is in the way of a completion through the URL; empty when one came back.

    The same question as the last step of `up`, with the same words, which the state has.

    Raises:
        LookupError: no `up` has come to it.
    """
    probe = stack.named("answer-asked")
    if probe is None:
        raise LookupError("no `pulumi up` has come to the end yet")
    call = str(probe.inputs.get("stdin") or probe.outputs.get("stdin"))
    try:
        done = subprocess.run(
            [sys.executable, str(PROBE)],
            input=call,
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWER_SECONDS,
            env={**os.environ, "TANDEM_ASK_SECONDS": str(ASK_SECONDS)},
        )
    except subprocess.TimeoutExpired:
        return f"no answer came back in {ANSWER_SECONDS} s; see what the engine says on its machine"
    return (done.stderr.strip().splitlines() or ["no answer"])[-1] if done.returncode else ""


def open_inner_ports(stack: Stack, places: Sequence[Place]) -> dict[str, list[int]]:
    """Ports for the machines alone that this computer reaches all the same, by machine."""
    settings = stack.settings
    if settings is None:
        return {}
    wanted = {
        json.dumps([place.name, one.first]): (place.address, one.first)
        for place in places
        if place.number is not None and not place.between
        for one in ports.of_machine(settings, place.number)
        if not one.public
    }
    answers = ask_all({key: lambda at=at: _opens(*at) for key, at in wanted.items()}, CONNECT_SECONDS + 2)  # type: ignore[misc]
    found: dict[str, list[int]] = {}
    for key, answer in answers.items():
        if answer.value:
            name, port = json.loads(key)
            found.setdefault(name, []).append(port)
    return found


def _opens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def own_addresses(places: Sequence[Place]) -> set[str]:
    """This computer's addresses, as the machines see them where nobody translates."""
    found = set()
    for place in places:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((place.address, 9))
            except OSError:
                continue
            found.add(str(probe.getsockname()[0]))
    return found


def within(addresses: set[str], ranges: Sequence[str]) -> bool:
    """Whether one of the addresses is in one of the ranges."""
    networks = [ipaddress.IPv4Network(each) for each in ranges]
    return any(ipaddress.IPv4Address(each) in network for each in addresses for network in networks)


def days_until(moment: datetime) -> float:
    """From now on."""
    return (moment - datetime.now(UTC)).total_seconds() / 86400
