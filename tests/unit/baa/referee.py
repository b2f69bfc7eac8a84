"""A second checker of sealed agreements, written from the standards: RFC 5652, RFC 5035, RFC 3161 and ISO 32000.

It shares nothing with what it judges: neither a PDF nor an ASN.1 library. What is verified is found by hand, and
`cryptography` does the arithmetic.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_TIME_STAMP = bytes.fromhex("060b2a864886f70d010910020e")
_SEQUENCE, _SET, _OCTETS, _CONTEXT_0, _CONTEXT_1 = 0x30, 0x31, 0x04, 0xA0, 0xA1


class RefusedError(Exception):
    """The text says what does not hold."""


@dataclass(frozen=True, slots=True)
class Value:
    """One DER value."""

    tag: int
    encoded: bytes
    content: bytes

    @classmethod
    def read(cls, encoded: bytes) -> Self:
        length, start = encoded[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(encoded[2:start])
        if start + length > len(encoded):
            raise RefusedError("cut off")
        return cls(encoded[0], encoded[: start + length], encoded[start : start + length])

    def parts(self) -> Iterator["Value"]:
        rest = self.content
        while rest:
            part = Value.read(rest)
            yield part
            rest = rest[len(part.encoded) :]


def judge(document: bytes, trusted: Sequence[x509.Certificate]) -> bool:
    """Whether the seal has a time-stamp. Raises `RefusedError` for a document that is not sealed by one `trusted`."""
    try:
        signed, container = _ranges(document)
        return _is_stamped(_signature(container, signed, trusted), trusted)
    except (ValueError, IndexError, TypeError):
        raise RefusedError("not a sealed document") from None


def _ranges(document: bytes) -> tuple[bytes, bytes]:
    """What is signed, which is all but the container, and the container."""
    (found,) = re.findall(rb"/ByteRange ?\[(\d+) (\d+) (\d+) (\d+) ?\]", document)
    start, before, after, rest = map(int, found)
    if start != 0 or after + rest != len(document) or document[before] != ord("<") or document[after - 1] != ord(">"):
        raise RefusedError("does not cover the whole file")
    return document[:before] + document[after:], bytes.fromhex(document[before + 1 : after - 1].decode("ascii"))


def _signature(container: bytes, signed: bytes, trusted: Sequence[x509.Certificate]) -> list[Value]:
    """The signer's fields, once they hold for `signed`."""
    _, wrapped = Value.read(container).parts()
    _, _, _, *lists = next(wrapped.parts()).parts()
    certificates = [x509.load_der_x509_certificate(each.encoded) for each in _of(lists, _CONTEXT_0).parts()]
    (signer,) = _of(lists, _SET).parts()
    fields = list(signer.parts())
    attributes = _of(fields, _CONTEXT_0)
    if _only(_attribute(attributes, _MESSAGE_DIGEST).parts()).content != hashlib.sha256(signed).digest():
        raise RefusedError("another document")
    named = _certificate_hash(_attribute(attributes, _SIGNING_CERTIFICATE_V2))
    (certificate,) = [each for each in certificates if each.fingerprint(SHA256()) == named]
    _require_trusted(certificate, certificates, trusted)
    _verify(certificate, _of(fields, _OCTETS).content, bytes([_SET]) + attributes.encoded[1:])
    return fields


def _is_stamped(fields: list[Value], trusted: Sequence[x509.Certificate]) -> bool:
    unsigned = [each for each in fields if each.tag == _CONTEXT_1]
    if not unsigned:
        return False
    token = _only(_attribute(unsigned[0], _TIME_STAMP).parts())
    _, wrapped = token.parts()
    _, _, encapsulated, *_ = next(wrapped.parts()).parts()
    _, explicit = encapsulated.parts()
    info = _only(explicit.parts()).content
    _signature(token.encoded, info, trusted)
    _, _, imprint, *_ = Value.read(info).parts()
    _, stamped = imprint.parts()
    if stamped.content != hashlib.sha256(_of(fields, _OCTETS).content).digest():
        raise RefusedError("a time-stamp of something else")
    return True


def _require_trusted(
    certificate: x509.Certificate, sent: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate]
) -> None:
    for _ in range(4):
        if certificate in trusted:
            return
        issuer = next((each for each in (*trusted, *sent) if each.subject == certificate.issuer), None)
        if issuer is None or issuer == certificate:
            break
        try:
            certificate.verify_directly_issued_by(issuer)
        except InvalidSignature:
            break
        certificate = issuer
    raise RefusedError("of somebody who is not trusted")


def _verify(certificate: x509.Certificate, signature: bytes, signed: bytes) -> None:
    key = certificate.public_key()
    try:
        if isinstance(key, EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(SHA256()))
        elif isinstance(key, RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), SHA256())
        else:
            raise RefusedError("a key of another kind")
    except InvalidSignature:
        raise RefusedError("not signed") from None


def _certificate_hash(values: Value) -> bytes:
    certificates = next(_only(values.parts()).parts())
    first = next(certificates.parts())
    return _of(list(first.parts()), _OCTETS).content


def _attribute(attributes: Value, kind: bytes) -> Value:
    for attribute in attributes.parts():
        name, values = attribute.parts()
        if name.encoded == kind:
            return values
    raise RefusedError("an attribute is missing")


def _of(values: Sequence[Value], tag: int) -> Value:
    return next((each for each in values if each.tag == tag), None) or _refuse()


def _only(values: Iterator[Value]) -> Value:
    (value,) = values
    return value


def _refuse() -> Value:
    raise RefusedError("a part is missing")
