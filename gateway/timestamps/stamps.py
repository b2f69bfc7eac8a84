"""RFC 3161 time-stamps, checked offline."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from asn1crypto.cms import CertificateSet
from asn1crypto.tsp import TimeStampResp
from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response
from rfc3161_client.verify import Verifier

_SHA256 = "2.16.840.1.101.3.4.2.1"
_DIGESTS = {
    _SHA256: hashlib.sha256,
    "2.16.840.1.101.3.4.2.2": hashlib.sha384,
    "2.16.840.1.101.3.4.2.3": hashlib.sha512,
}


class _Encodable(Protocol):
    def dump(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A response as its authority gave it. Nothing of it is believed before `Authorities` say so."""

    encoded: bytes
    """The TimeStampResp in DER, as it came."""
    response: TimeStampResponse
    at: datetime

    def is_of(self, message: str) -> bool:
        """Whether it says to be of `message`."""
        imprint = self.response.tst_info.message_imprint
        digest = _DIGESTS.get(imprint.hash_algorithm.dotted_string)
        return digest is not None and digest(message.encode()).digest() == imprint.message

    def is_of_sha256(self, digest: bytes) -> bool:
        """Whether it says to be of a message with that SHA-256."""
        imprint = self.response.tst_info.message_imprint
        return imprint.hash_algorithm.dotted_string == _SHA256 and imprint.message == digest


def read_time_stamp(response: bytes) -> TimeStamp:
    """`response`: a TimeStampResp in DER. Raises `ValueError` for anything else."""
    try:
        decoded = decode_timestamp_response(_in_der_order(response))
        return TimeStamp(response, decoded, decoded.tst_info.gen_time)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise ValueError("not a time-stamp response") from None


def _in_der_order(response: bytes) -> bytes:
    """The response with its certificates sorted, as DER has a set.

    Authorities that run OpenSSL list them as they come, and strict parsers refuse that.
    No signature covers their order.
    """
    parsed = cast("Any", TimeStampResp.load(response, strict=True))  # pyright: ignore[reportUnknownMemberType]
    content = parsed["time_stamp_token"]["content"]
    content["certificates"] = CertificateSet(sorted(content["certificates"], key=_der))
    return parsed.dump()


def _der(value: _Encodable) -> bytes:
    return value.dump()


class Authorities:
    """The time-stamp authorities that the checker trusts."""

    def __init__(self, certificates: Sequence[Certificate]) -> None:
        """`certificates`: roots, and intermediates where responses do not bring them."""
        roots = [certificate for certificate in certificates if certificate.issuer == certificate.subject]
        if not roots:
            raise ValueError("no root certificate")
        self.certificates = tuple(certificates)
        others = [certificate for certificate in certificates if certificate not in roots]
        self._verifier: Verifier = VerifierBuilder(roots=roots, intermediates=others).build()

    @classmethod
    def from_pem(cls, pem: bytes) -> "Authorities":
        """Raises `ValueError`."""
        return cls(load_pem_x509_certificates(pem))

    def stamped(self, stamp: TimeStamp, message: str) -> bool:
        """Whether one of them stamped `message`."""
        return stamp.is_of(message) and self.vouch_for(stamp)

    def vouch_for(self, stamp: TimeStamp) -> bool:
        """Whether one of them made it, of whatever: signature, certificates valid at the stamp's own time."""
        try:
            return self._verifier.verify(stamp.response, stamp.response.tst_info.message_imprint.message)
        except (VerificationError, ValueError):
            return False
