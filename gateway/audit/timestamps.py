"""RFC 3161 time-stamps, checked offline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate, load_pem_x509_certificates
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response
from rfc3161_client.verify import Verifier


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A response as its authority gave it. Nothing of it is believed before `Authorities.stamped` says so."""

    response: TimeStampResponse
    at: datetime


def read_time_stamp(response: bytes) -> TimeStamp:
    """`response`: a TimeStampResp in DER. Raises `ValueError` for anything else."""
    try:
        decoded = decode_timestamp_response(response)
        return TimeStamp(decoded, decoded.tst_info.gen_time)
    except (ValueError, OverflowError):
        raise ValueError("not a time-stamp response") from None


class Authorities:
    """The time-stamp authorities that the checker trusts."""

    def __init__(self, certificates: Sequence[Certificate]) -> None:
        """`certificates`: roots, and intermediates where responses do not bring them."""
        roots = [certificate for certificate in certificates if certificate.issuer == certificate.subject]
        if not roots:
            raise ValueError("no root certificate")
        others = [certificate for certificate in certificates if certificate not in roots]
        self._verifier: Verifier = VerifierBuilder(roots=roots, intermediates=others).build()

    @classmethod
    def from_pem(cls, pem: bytes) -> "Authorities":
        """Raises `ValueError`."""
        return cls(load_pem_x509_certificates(pem))

    def stamped(self, stamp: TimeStamp, message: str) -> bool:
        """Whether one of them stamped `message`: imprint, signature, certificates valid at the stamp's own time."""
        try:
            return self._verifier.verify_message(stamp.response, message.encode())
        except (VerificationError, ValueError):
            return False
