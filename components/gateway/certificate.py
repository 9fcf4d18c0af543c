"""The stack's own certificate authority, and the gateway's certificate: pure functions of one secret.

Nothing is random here but the secret (192 bits, in the state): the same secret and names give the same certificate to
the bit, so that an `up` without changes changes nothing, and another address gives another
certificate by the same authority.
Keys are derived by HKDF (RFC 5869), signatures by RFC 6979.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2056, 1, 1, tzinfo=datetime.UTC)
"""A certificate that nobody else trusts needs no end: it ends with the stack, or with `gateway.tls.generation`."""
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of NIST P-256 (FIPS 186-4, D.1.2.3)."""


@dataclass(frozen=True)
class Pair:
    """What is made.

    Attributes:
        authority: the certificate that clients verify with, PEM.
        certificate: the gateway's, PEM, then the authority's.
        key: the gateway's private key, PEM (PKCS #8).
    """

    authority: str
    certificate: str
    key: str


def make_pair(secret: str, stack: str, names: Sequence[str], generation: int = 1) -> Pair:
    """A certificate for these names and addresses.

    Args:
        secret: what everything is derived from; 128 bits or more.
        stack: the deployment's name, for a reader.
        names: host names and addresses, IPv4 or IPv6; repeated ones count once.
        generation: another number is another authority.
    """
    authority_key, key = (_key(secret, f"{purpose} {generation}") for purpose in ("authority", "gateway"))
    issuer = _name(f"Tandem {stack} {generation}")
    authority = _sign(
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True),
        authority_key,
        authority_key,
    )
    kinds = [_general_name(name) for name in dict.fromkeys(names)]
    certificate = _sign(
        x509.CertificateBuilder()
        .subject_name(_name(f"{stack} gateway"))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(kinds), critical=False),
        key,
        authority_key,
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(_pem(authority), _pem(certificate) + _pem(authority), private.decode())


def _key(secret: str, purpose: str) -> ec.EllipticCurvePrivateKey:
    """48 bytes for a number of 32, so that every number is as likely as another (FIPS 186-4, B.4.1)."""
    derived = HKDF(hashes.SHA256(), 48, None, f"tandem gateway tls: {purpose}".encode()).derive(secret.encode())
    return ec.derive_private_key(int.from_bytes(derived, "big") % (ORDER - 1) + 1, ec.SECP256R1())


def _sign(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    own, authority = (x509.SubjectKeyIdentifier.from_public_key(k.public_key()) for k in (key, by))
    builder = (
        builder.not_valid_before(BEGIN)
        .not_valid_after(END)
        .add_extension(own, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False)
    )
    # Browsers refuse two certificates of one issuer with one number: it is made of all that is in this one.
    draft = builder.serial_number(1).sign(by, hashes.SHA256(), ecdsa_deterministic=True)
    number = int.from_bytes(hashlib.sha256(draft.tbs_certificate_bytes).digest()[:16], "big") | 1
    return builder.serial_number(number).sign(by, hashes.SHA256(), ecdsa_deterministic=True)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_matches(certificate: str, key: str) -> str:
    """Why a certificate and a key of the user's own can't be used together; empty where they can.

    Args:
        certificate: PEM, the leaf first.
        key: PEM.
    """
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        return "gateway.tls.certificateFile: holds no certificate in PEM; give the leaf first, then those it hangs on"
    try:
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        return (
            "tlsKey: is no private key in PEM without a passphrase; set it with "
            "`pulumi config set --secret tlsKey < key.pem`"
        )
    public = [
        k.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        for k in (leaf.public_key(), private.public_key())
    ]
    if public[0] != public[1]:
        return (
            "tlsKey: is not the key of the certificate in gateway.tls.certificateFile "
            f"({leaf.subject.rfc4514_string()}); give the pair that was made together"
        )
    now = datetime.datetime.now(datetime.UTC)
    if leaf.not_valid_after_utc <= now:
        return (
            f"gateway.tls.certificateFile: expired on {leaf.not_valid_after_utc:%Y-%m-%d} by this computer's clock; "
            "give the one that was renewed"
        )
    return ""
