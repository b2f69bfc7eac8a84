"""The operator's key and certificate, with which signed agreements are sealed.

Either files of the operator's own, from a certification authority, or a self-signed pair that Hasp makes once. A
self-signed seal proves that nothing was changed since; who sealed it, it proves only to those who know the certificate.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from gateway.baa.evidence import SealDescription
from gateway.timestamps.authority import TimeStampAuthority

SELF_SIGNED_FOR = timedelta(days=3653)
"""Ten years: longer than an agreement is kept (45 CFR 164.316(b)(2): six from when it last was in effect)."""

_LEAST_RSA_BITS = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_CLOCK_SKEW = timedelta(minutes=5)

SealKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class SealError(Exception):
    """The seal cannot be used. The text names the file and what is wrong with it, never a key or passphrase."""


@dataclass(frozen=True, slots=True)
class SealFiles:
    """PEM files."""

    key: Path
    certificate: Path
    """The certificate of the key first, then those that lead to its root."""
    passphrase: Path | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    key: SealKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(SHA256()).hex()

    @property
    def root(self) -> x509.Certificate:
        """Whoever trusts this one trusts the seal."""
        return self.chain[-1] if self.chain else self.certificate

    def describe(self, authority: TimeStampAuthority | None) -> SealDescription:
        return SealDescription(
            subject=_name(self.certificate),
            fingerprint=self.fingerprint,
            self_signed=self.certificate.issuer == self.certificate.subject,
            timestamp_authority=authority.url if authority else None,
            timestamp_root=authority.cacert_url if authority else None,
        )


def files_beside(keyring: Path) -> SealFiles:
    """Where the self-signed pair is, if the settings name none: in the folder of the keyring."""
    return SealFiles(key=keyring.with_name("baa-seal.key.pem"), certificate=keyring.with_name("baa-seal.cert.pem"))


def read_seal(files: SealFiles, now: datetime) -> Seal:
    """Raises `SealError` for files that are missing, malformed, readable by others, that do not belong together, whose
    certificate is not in force at `now`, and for keys that readers of PDF do not know.
    """
    if _bits_for_others(files.key):
        raise SealError(f"{files.key} is readable by others; chmod it to 0600")
    key = _key(files)
    certificate, *chain = _certificates(files.certificate)
    if _public(certificate.public_key()) != _public(key.public_key()):
        raise SealError(f"{files.certificate} is not the certificate of {files.key}")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise SealError(f"{files.certificate} is not in force now")
    if not _may_sign(certificate):
        raise SealError(f"{files.certificate} is not for signatures that bind (key usage nonRepudiation is missing)")
    return Seal(key, certificate, tuple(chain))


def create_seal(files: SealFiles, *, operator: str, now: datetime) -> Seal:
    """Make a self-signed pair for `operator` (P-256). Raises `FileExistsError` rather than replace a key.

    The key is written first: a crash between the two leaves a key without a certificate, which `read_seal` refuses;
    removing it and asking again is safe, since nothing was sealed with it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _self_signed(key, operator, now)
    files.key.parent.mkdir(parents=True, exist_ok=True)
    _write_new(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write_new(files.certificate, certificate.public_bytes(Encoding.PEM))
    return Seal(key, certificate, ())


def _self_signed(key: ec.EllipticCurvePrivateKey, operator: str, now: datetime) -> x509.Certificate:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, operator[:64]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - _CLOCK_SKEW)
        .not_valid_after(now.astimezone(UTC) + SELF_SIGNED_FOR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def _key(files: SealFiles) -> SealKey:
    passphrase = _read(files.passphrase).strip() if files.passphrase else None
    try:
        key = load_pem_private_key(_read(files.key), passphrase)
    except (ValueError, TypeError):
        raise SealError(f"{files.key} is no PEM key, or its passphrase is missing, wrong or not needed") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    raise SealError(f"{files.key} is neither RSA of {_LEAST_RSA_BITS} bits or more nor on P-256, P-384 or P-521")


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise SealError(f"{path} is no PEM certificate") from None


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment
    except x509.ExtensionNotFound:
        return False


def _name(certificate: x509.Certificate) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in certificate.subject.get_attributes_for_oid(kind):
            return str(attribute.value)
    return certificate.subject.rfc4514_string()


def _public(key: object) -> bytes:
    if isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b""


def _bits_for_others(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o077
    except OSError as failure:
        raise SealError(f"cannot read {path}: {failure.strerror}") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise SealError(f"cannot read {path}: {failure.strerror}") from None


def _write_new(path: Path, content: bytes) -> None:
    # The certificate too, though it is no secret: beside it lie only files that are.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
