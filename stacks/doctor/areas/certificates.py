"""The certificate of the URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from stacks.doctor.evidence import Evidence
from stacks.doctor.external_probe import Certificate, days_until
from stacks.doctor.finding import Check, NotApplicableError, NotCheckedError, Problem, error, warning

DAYS = 14.0
RENEWED = 0.2
"""Of its whole time: ACME renews when a third is left, so less than a fifth means that it didn't."""


def _shown(evidence: Evidence) -> Certificate:
    if evidence.settings.gateway.tls.mode == "none":
        raise NotApplicableError
    if not evidence.stack.outputs.get("apiUrl"):
        raise NotCheckedError("no `pulumi up` has come to the end yet")
    found: Certificate = evidence.seen("certificate")
    return found


def _remedy(evidence: Evidence) -> str:
    tls, up = evidence.settings.gateway.tls, f"pulumi up --stack {evidence.stack.name}"
    if tls.mode == "files":
        return f"renew {tls.certificate_file} and the secret tlsKey, then {up}"
    if tls.mode == "acme":
        return (
            f"see why ACME doesn't renew it: make logs STACK={evidence.stack.name} GREP=acme; port 80 must be reachable"
        )
    return f"set gateway.tls.generation to {tls.generation + 1}, then {up}"


def lasting(evidence: Evidence) -> Iterator[Problem]:
    """Whether it holds for a while."""
    shown = _shown(evidence)
    left, whole = days_until(shown.ends), (shown.ends - shown.begins).total_seconds() / 86400
    least = RENEWED * whole if evidence.settings.gateway.tls.mode == "acme" else DAYS
    if left <= 0:
        yield error("gateway.tls", f"the certificate ended {-left:.0f} days ago", _remedy(evidence))
    elif days_until(shown.begins) > 0:
        yield error(
            "gateway.tls", f"the certificate begins to hold {shown.begins:%Y-%m-%d %H:%M} UTC", "set the clocks right"
        )
    elif left < least:
        yield warning("gateway.tls", f"the certificate ends in {left:.0f} days", _remedy(evidence))


def trusted(evidence: Evidence) -> Iterator[Problem]:
    """Whether a client takes it: its authority, its names, its key."""
    shown = _shown(evidence)
    if shown.refusal and days_until(shown.ends) > 0 and days_until(shown.begins) <= 0:
        names = ", ".join(shown.names) or "nothing"
        yield error(
            "gateway.tls",
            f"clients refuse the certificate of the URL ({shown.refusal}); it is for {names}",
            _remedy(evidence),
        )


def files(evidence: Evidence) -> Iterator[Problem]:
    """Whether the certificate on this computer fits its key, and is the one that is shown."""
    tls = evidence.settings.gateway.tls
    if tls.mode != "files":
        raise NotApplicableError
    try:
        leaf = x509.load_pem_x509_certificate(Path(tls.certificate_file or "").expanduser().read_bytes())
    except (OSError, ValueError) as why:
        yield error(
            "gateway.tls.certificateFile",
            f"{tls.certificate_file} is no certificate ({why})",
            "name a PEM file, the leaf first",
        )
        return
    if text := evidence.stack.values.get("tlsKey"):
        key = load_pem_private_key(text.encode(), None).public_key()
        forms = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if key.public_bytes(*forms) != leaf.public_key().public_bytes(*forms):
            yield error(
                "tlsKey",
                f"it is not the key of {tls.certificate_file}",
                "pulumi config set --secret tlsKey with the certificate's own",
            )
    shown = evidence.outside.get("certificate")
    if shown and shown.value and x509.load_pem_x509_certificate(shown.value.pem.encode()) != leaf:
        yield warning(
            "gateway.tls.certificateFile",
            f"the URL shows another certificate than {tls.certificate_file}",
            f"pulumi up --stack {evidence.stack.name}",
        )


CHECKS = (
    Check(
        "certificates.lasting",
        "the certificate of the URL holds for 14 days or more; ACME has renewed it in time",
        lasting,
    ),
    Check(
        "certificates.trusted", "a client that knows the stack's authority takes it: its chain, names and key", trusted
    ),
    Check("certificates.files", "your own certificate fits its key, and is the one that is shown", files),
)
