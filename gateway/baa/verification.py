"""Whether a sealed document is unchanged, and whose seal it has: offline, from the file and the certificates trusted.

pyHanko judges the signature. What no signature covers, its own container and the hexadecimal around it, is held here to
the one form that sealing writes: so not a single byte of the file is free.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from asn1crypto.x509 import Certificate as ParsedCertificate
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import (
    EmbeddedPdfSignature,
    PdfSignatureStatus,
    SignatureCoverageLevel,
    async_validate_pdf_signature,
)
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.path import ValidationPath

from gateway.baa.container import is_canonical

LARGEST = 16 * 1024 * 1024


class InvalidSealError(Exception):
    """The document is not what was sealed, or not sealed by whom you trust. The text says which."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a document that is as it was sealed."""

    subject: str
    fingerprint: str
    """Hex SHA-256 of the certificate: compare it with the one on the acceptance record."""
    sealed_at: datetime
    """What the authority's stamp says, or else the operator's own clock."""
    is_stamped: bool


async def verify_seal(document: bytes, trusted: Sequence[x509.Certificate], at: datetime) -> Verdict:
    """Judge the seal with the certificates that you trust: the operator's (or its root's), and its time-stamp
    authority's if it used one. `at` is the moment when they have to be in force.

    Asks nobody over the network, so it knows of no revocation. Raises `InvalidSealError`, whatever the file is.
    """
    if len(document) > LARGEST:
        raise InvalidSealError(f"larger than {LARGEST} bytes, as no sealed agreement is")
    try:
        signature = _only_signature(document)
        status = await async_validate_pdf_signature(signature, _context(trusted, at))
        _require_sound(status)
        _require_canonical(document, signature, status)
        _require_in_force(_signer(signature), at)
    except InvalidSealError:
        raise
    except Exception:  # noqa: BLE001 - a broken file breaks its parser in any way; from None: it may quote the file
        raise InvalidSealError("not a document that can be read") from None
    return _verdict(signature, status)


def _only_signature(document: bytes) -> EmbeddedPdfSignature:
    signatures = PdfFileReader(io.BytesIO(document), strict=True).embedded_signatures
    if len(signatures) != 1:
        raise InvalidSealError(f"{len(signatures)} signatures where one seal was expected")
    return signatures[0]


def _context(trusted: Sequence[x509.Certificate], at: datetime) -> ValidationContext:
    encoded = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in trusted)
    roots = cast("Iterable[ParsedCertificate]", load_certs_from_pemder_data(encoded))
    return ValidationContext(trust_roots=list(roots), allow_fetching=False, moment=at)


def _require_sound(status: PdfSignatureStatus) -> None:
    stamp = status.timestamp_validity
    if not (status.intact and status.valid):
        raise InvalidSealError("changed since it was sealed")
    if (
        status.coverage is not SignatureCoverageLevel.ENTIRE_FILE
        or status.modification_level is not ModificationLevel.NONE
    ):
        raise InvalidSealError("something was added after it was sealed")
    if not status.trusted:
        raise InvalidSealError("sealed with a certificate that is not trusted, or not in force then")
    if stamp is not None and not (stamp.intact and stamp.valid and stamp.trusted):
        raise InvalidSealError("its time-stamp is not of an authority that is trusted")
    if not status.bottom_line:
        raise InvalidSealError("its seal breaks a rule of its own")


def _require_in_force(certificate: x509.Certificate, at: datetime) -> None:
    """For a certificate that is trusted itself, nobody else looks."""
    if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
        raise InvalidSealError("sealed with a certificate that is not in force then")


def _require_canonical(document: bytes, signature: EmbeddedPdfSignature, status: PdfSignatureStatus) -> None:
    _, before, after, _ = cast("Iterable[int]", signature.byte_range)
    written = document[before:after]
    container = bytes(signature.pkcs7_content)
    der = container[: _der_length(container)]
    stamp = status.timestamp_validity
    if written != b"<%b>" % (der.hex().upper() + "00" * (len(container) - len(der))).encode() or not is_canonical(
        der, _path(status.validation_path), _path(stamp.validation_path) if stamp else ()
    ):
        raise InvalidSealError("its seal is not written as seals are")


def _path(path: ValidationPath | None) -> tuple[bytes, ...]:
    certificates = path.iter_certs(include_root=True) if path else ()
    return tuple(cast("bytes", certificate.dump()) for certificate in certificates)


def _der_length(container: bytes) -> int:
    """Of the first DER value, header included (X.690, 8.1.3)."""
    first = container[1]
    if first < 0x80:
        return 2 + first
    octets = first & 0x7F
    return 2 + octets + int.from_bytes(container[2 : 2 + octets])


def _signer(signature: EmbeddedPdfSignature) -> x509.Certificate:
    return x509.load_der_x509_certificate(cast("bytes", signature.signer_cert.dump()))


def _verdict(signature: EmbeddedPdfSignature, status: PdfSignatureStatus) -> Verdict:
    signer = _signer(signature)
    stamp = status.timestamp_validity
    sealed_at = stamp.timestamp if stamp else signature.self_reported_timestamp
    if sealed_at is None:
        raise InvalidSealError("does not say when it was sealed")
    return Verdict(
        subject=signer.subject.rfc4514_string(),
        fingerprint=signer.fingerprint(SHA256()).hex(),
        sealed_at=sealed_at,
        is_stamped=stamp is not None,
    )
