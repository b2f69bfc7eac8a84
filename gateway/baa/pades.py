"""Sealing a document: a PAdES signature (ETSI EN 319 142-1) that covers every byte and allows no change after it.

Baseline B-B, or B-T with an RFC 3161 time-stamp of an authority. Certified with DocMDP "no changes", so that a reader
calls even an appended form or comment a violation.
"""

import io

from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko.sign.timestamps import HTTPTimeStamper, TimestampRequestError

from gateway.baa.evidence import Evidence
from gateway.baa.seal import Seal

FIELD = "Seal"
_TIMESTAMP_TIMEOUT_S = 15


class SealingError(Exception):
    """The document could not be sealed now; trying again may do. The text names the authority's failure, no more."""


async def seal_document(document: bytes, evidence: Evidence, seal: Seal) -> bytes:
    """`document` as typeset from `evidence`, with a signature of `seal`, and a time-stamp if the evidence says so.

    Sealing twice makes two files, equally valid: keep the first, by the document's id. Raises `SealingError` when the
    authority does not answer within 15 seconds, and when `seal` is not the one that the document says it has (the
    operator changed it in between: make the document anew).
    """
    if seal.fingerprint != evidence.seal.fingerprint:
        raise SealingError("the document names another certificate than the seal's")
    authority = evidence.seal.timestamp_authority
    signer = PdfSigner(
        PdfSignatureMetadata(
            field_name=FIELD,
            name=evidence.operator.name,
            reason=f"Business associate agreement {evidence.document}",
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        ),
        signer=_signer(seal),
        timestamper=HTTPTimeStamper(authority, timeout=_TIMESTAMP_TIMEOUT_S) if authority else None,
    )
    sealed = io.BytesIO()
    try:
        # pyHanko's own signature leaves `output` untyped.
        await signer.async_sign_pdf(IncrementalPdfFileWriter(io.BytesIO(document)), output=sealed)  # pyright: ignore[reportUnknownMemberType]
    except SigningError:
        raise SealingError("the document cannot be sealed: is it sealed already?") from None
    except (TimestampRequestError, TimeoutError, ValueError, TypeError, KeyError):
        # The last three: an answer that is no time-stamp.
        raise SealingError("the time-stamp authority gave no stamp") from None
    return sealed.getvalue()


def _signer(seal: Seal) -> SimpleSigner:
    """By way of PKCS #12 in memory, the one form that both libraries know without files."""
    chain: list[x509.Certificate] = [*seal.chain]
    bundle = pkcs12.serialize_key_and_certificates(None, seal.key, seal.certificate, chain, NoEncryption())
    return SimpleSigner.load_pkcs12_data(bundle, other_certs=[])
