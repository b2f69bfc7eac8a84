"""Sealing a document: a PAdES signature (ETSI EN 319 142-1) that covers every byte and allows no change after it.

Baseline B-B, or B-T with an RFC 3161 time-stamp of an authority. Certified with DocMDP "no changes", so that a reader
calls even an appended form or comment a violation.
"""

import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from asn1crypto.cms import ContentInfo
from asn1crypto.tsp import TimeStampResp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import TimeStamper

from gateway.baa.evidence import Evidence, SealDescription
from gateway.baa.seal import Seal
from gateway.baa.verification import InvalidSealError, verify_seal
from gateway.timestamps.authority import NotStampedError, TimeStampAuthority

FIELD = "Seal"
_DIGEST = "sha256"


class SealingError(Exception):
    """The document could not be sealed now; trying again may do. The text names the authority's failure, no more."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a document says of its own seal."""

    name: str
    """Who seals it."""
    reason: str
    seal: SealDescription


async def seal_document(
    document: bytes, evidence: Evidence, seal: Seal, authority: TimeStampAuthority | None, now: datetime
) -> bytes:
    """`document` as typeset from `evidence`, sealed as `seal_pdf` does. Raises as it does."""
    reason = f"Business associate agreement {evidence.document}"
    return await seal_pdf(document, Statement(evidence.operator.name, reason, evidence.seal), seal, authority, now)


async def seal_pdf(
    document: bytes, statement: Statement, seal: Seal, authority: TimeStampAuthority | None, now: datetime
) -> bytes:
    """`document` with a signature of `seal`, and a time-stamp of `authority`, if any.

    Sealing twice makes two files, equally valid: keep the first, by the document's id. Raises `SealingError` when the
    authority gives no stamp, when `seal` or `authority` is not the one that the document says it has (the operator
    changed it in between: make the document anew), and for a result that `verify_seal` would not accept at `now`.
    Of an authority whose roots are not known here the last is not looked into.
    """
    if seal.describe(authority) != statement.seal:
        raise SealingError("the document names another certificate or time-stamp authority than it is sealed with")
    sealed = await _signed(document, statement, seal, authority)
    if authority is None or authority.roots is not None:
        stampers = authority.roots.certificates if authority and authority.roots else ()
        try:
            await verify_seal(sealed, [seal.root, *stampers], now)
        except InvalidSealError as failure:
            raise SealingError(f"the document would not verify: {failure}") from None
    return sealed


async def _signed(document: bytes, statement: Statement, seal: Seal, authority: TimeStampAuthority | None) -> bytes:
    signer = PdfSigner(
        PdfSignatureMetadata(
            field_name=FIELD,
            name=statement.name,
            reason=statement.reason,
            md_algorithm=_DIGEST,
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        ),
        signer=_signer(seal),
        timestamper=_Stamper(authority) if authority else None,
    )
    sealed = io.BytesIO()
    try:
        # pyHanko's own signature leaves `output` untyped.
        await signer.async_sign_pdf(IncrementalPdfFileWriter(io.BytesIO(document)), output=sealed)  # pyright: ignore[reportUnknownMemberType]
    except SigningError:
        raise SealingError("the document cannot be sealed: is it sealed already?") from None
    except NotStampedError:
        raise SealingError("the time-stamp authority gave no stamp") from None
    return sealed.getvalue()


class _Stamper(TimeStamper):
    """Asks the installation's authority, as the audit log does: bounded, without redirects, and only if vouched for."""

    def __init__(self, authority: TimeStampAuthority) -> None:
        super().__init__()
        self._authority = authority

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> ContentInfo:
        if md_algorithm != _DIGEST:
            raise ValueError(md_algorithm)
        stamp = await self._authority.stamp(message_digest)
        return cast("Any", TimeStampResp.load(stamp.encoded))["time_stamp_token"]  # pyright: ignore[reportUnknownMemberType]


def _signer(seal: Seal) -> SimpleSigner:
    """By way of PKCS #12 in memory, the one form that both libraries know without files."""
    chain: list[x509.Certificate] = [*seal.chain]
    bundle = pkcs12.serialize_key_and_certificates(None, seal.key, seal.certificate, chain, NoEncryption())
    return SimpleSigner.load_pkcs12_data(bundle, other_certs=[])
