"""Seals, and documents sealed with them. Made once a process: each takes a tenth of a second."""

import asyncio
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from gateway.baa.document import typeset
from gateway.baa.evidence import Evidence
from gateway.baa.pades import seal_document
from gateway.baa.seal import Seal, create_seal, files_beside
from gateway.baa.template import current_template
from gateway.timestamps.authority import TimeStampAuthority
from tests.unit.baa.acceptances import evidence

NOW = datetime.now(UTC)


def evidence_for(seal: Seal, authority: TimeStampAuthority | None = None) -> Evidence:
    return replace(evidence(), seal=seal.describe(authority))


@cache
def self_signed(operator: str = "Example Health Cloud, Inc.") -> Seal:
    with tempfile.TemporaryDirectory() as folder:
        return create_seal(files_beside(Path(folder) / "keyring.json"), operator=operator, now=NOW)


@cache
def sealed() -> bytes:
    """With the seal of `self_signed()`, without a time-stamp."""
    return asyncio.run(sealed_with(self_signed()))


async def sealed_with(seal: Seal, authority: TimeStampAuthority | None = None, at: datetime = NOW) -> bytes:
    accepted = evidence_for(seal, authority)
    return await seal_document(typeset(current_template(), accepted), accepted, seal, authority, at)


@cache
def issued() -> tuple[Seal, x509.Certificate]:
    """A seal whose certificate an authority issued by way of another one, and that authority's root."""
    keys = [ec.generate_private_key(ec.SECP384R1()) for _ in range(2)]
    key = rsa.generate_private_key(65537, 2048)
    root = certificate("Root", "Root", keys[0].public_key(), keys[0], is_authority=True)
    middle = certificate("Middle", "Root", keys[1].public_key(), keys[0], is_authority=True)
    leaf = certificate("Example Health Cloud, Inc.", "Middle", key.public_key(), keys[1])
    return Seal(key, leaf, (middle,)), root


def certificate(
    subject: str,
    issuer: str,
    public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    issuer_key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    is_authority: bool = False,
    may_bind: bool = True,
    since: datetime = NOW - timedelta(days=1),
    until: datetime = NOW + timedelta(days=30),
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=may_bind,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .sign(issuer_key, SHA256())
    )
