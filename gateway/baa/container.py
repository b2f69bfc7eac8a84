"""The container of a signature (CMS SignedData, RFC 5652), in the one form that its authenticated parts allow.

A signature covers its signed attributes; the lists and versions around them are covered by nothing, and validators
read past much of what is wrong there. So the container is written anew from the parts that were verified, and must come
out byte for byte as it was.
"""

# asn1crypto has no types to speak of.
# pyright: basic, reportIndexIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from collections.abc import Collection
from typing import TypeVar

from asn1crypto import algos, cms, core, parser

_Algorithm = TypeVar("_Algorithm", algos.DigestAlgorithm, algos.SignedDigestAlgorithm)

_UNIVERSAL, _CONSTRUCTED, _SET = 0, 1, 17
_STAMP = "signature_time_stamp_token"


def is_canonical(container: bytes, path: Collection[bytes], stamp_path: Collection[bytes]) -> bool:
    """Whether `container` holds nothing but what was verified.

    `path` and `stamp_path` are the certificates (DER) that the signature and its time-stamp were verified with.
    Raises `ValueError`, `TypeError` or `KeyError` for what is no container at all.
    """
    content = cms.ContentInfo.load(container, strict=True)
    signer = _signer(content)
    stamps: list[cms.ContentInfo] = []
    for attribute in signer["unsigned_attrs"] or ():
        if attribute["type"].native != _STAMP:
            return False
        stamps += attribute["values"]
    if not all(stamp.dump() == _rewritten(stamp, stamp_path, "v3", []) for stamp in stamps):
        return False
    return container == _rewritten(content, path, "v1", stamps)


def _rewritten(content: cms.ContentInfo, path: Collection[bytes], version: str, stamps: list[cms.ContentInfo]) -> bytes:
    """Only what `content` says of certificates, attributes and the signature goes in; all else follows from it."""
    signer, signed = _signer(content), content["content"]
    digest = _plain_algorithm(algos.DigestAlgorithm, signer["digest_algorithm"])
    encapsulated: dict[str, object] = {"content_type": signed["encap_content_info"]["content_type"].native}
    if version == "v3":
        encapsulated["content"] = core.ParsableOctetString(bytes(signed["encap_content_info"]["content"]))
    information: dict[str, object] = {
        "version": "v1",
        "sid": _sid(signer, path),
        "digest_algorithm": digest,
        "signed_attrs": cms.CMSAttributes.load(signer["signed_attrs"].untag().dump()),
        "signature_algorithm": _plain_algorithm(algos.SignedDigestAlgorithm, signer["signature_algorithm"]),
        "signature": signer["signature"].native,
    }
    if stamps:
        information["unsigned_attrs"] = [{"type": _STAMP, "values": [cms.ContentInfo.load(s.dump()) for s in stamps]}]
    certificates = [entry.chosen.dump() for entry in signed["certificates"] or ()]
    rewritten: dict[str, object] = {
        "version": version,
        "digest_algorithms": [digest],
        "encap_content_info": encapsulated,
        "signer_infos": [information],
    }
    if certificates:
        # In the order they are in: OpenSSL's authorities do not sort them as DER would.
        known = b"".join(one for one in certificates if one in path)
        rewritten["certificates"] = cms.CertificateSet.load(parser.emit(_UNIVERSAL, _CONSTRUCTED, _SET, known))
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(rewritten)}).dump()


def _signer(content: cms.ContentInfo) -> cms.SignerInfo:
    (signer,) = content["content"]["signer_infos"]
    return signer


def _sid(signer: cms.SignerInfo, path: Collection[bytes]) -> cms.SignerIdentifier:
    """The name of the certificate that verified: what the container says it is, if that certificate is on the path."""
    for encoded in path:
        certificate = cms.Certificate.load(encoded)
        sid = cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})
        if sid.dump() == signer["sid"].chosen.dump():
            return cms.SignerIdentifier({"issuer_and_serial_number": sid})
    raise ValueError


def _plain_algorithm(kind: type[_Algorithm], stated: _Algorithm) -> _Algorithm:
    """Its identifier as stated; of its parameters, only whether they are NULL or left out."""
    with_null = kind({"algorithm": stated["algorithm"].native, "parameters": core.Null()})
    return with_null if stated.dump() == with_null.dump() else kind({"algorithm": stated["algorithm"].native})
