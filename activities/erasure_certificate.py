"""The certificate of an erasure, signed, and as a sealed document where the installation has a seal."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from pydantic import JsonValue

from gateway.baa.countersigning import seal_files
from gateway.baa.document import DocumentError
from gateway.baa.pades import SealingError, Statement, seal_pdf
from gateway.baa.seal import Seal, SealError, files_beside, read_seal
from gateway.end_users.certificate import Issue, certificate
from gateway.end_users.certificate_pages import typeset_certificate
from gateway.end_users.erasure import Erasure
from gateway.errors import UnavailableError
from gateway.settings import Settings
from gateway.tenancy import KeyMode, Principal
from gateway.timestamps.authority import TimeStampAuthority
from storage import Storage
from storage.audit_keys import published_key, signing_key

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    document: Mapping[str, JsonValue]
    pdf: bytes | None
    """None: the installation has no seal."""


class ErasureCertificates:
    """Made twice they are two certificates, equally valid: keep the first."""

    def __init__(self, storage: Storage, settings: Settings, authority: TimeStampAuthority | None) -> None:
        self._storage = storage
        self._settings = settings
        self._authority = authority

    async def make(self, erasure: Erasure) -> IssuedCertificate:
        """Of an erasure whose key is destroyed and whose scan was clean.

        Raises `UnavailableError` when it cannot be signed or sealed now, `ValueError` for an erasure not that far.
        """
        key = signing_key(self._storage.keyring.audit)
        await published_key(self._storage.pool, key, self._storage.clock)
        issue = Issue(
            organization_name=await self._name_of(erasure),
            issued_at=self._storage.clock.now(),
            backup_keep_days=self._settings.backup_keep_days,
            keys_url=f"{self._settings.base_url}/trust/keys/{erasure.org}",
        )
        document = certificate(erasure, issue, key)
        try:
            return IssuedCertificate(document, await self._sealed(erasure, document, issue))
        except (SealError, SealingError, DocumentError) as failure:
            # Texts that are made to be read by operators: which file, and what is wrong with it.
            log.warning("erasure_certificate_not_sealed", cause=str(failure))
            raise UnavailableError(str(failure)) from None

    async def _sealed(self, erasure: Erasure, document: Mapping[str, JsonValue], issue: Issue) -> bytes | None:
        seal = await asyncio.to_thread(self._seal, issue.issued_at)
        if seal is None:
            return None
        described = seal.describe(self._authority)
        pages = await asyncio.to_thread(
            typeset_certificate,
            erasure,
            document,
            organization_name=issue.organization_name,
            issued_at=issue.issued_at,
            seal=described,
            fonts=self._settings.baa_fonts,
        )
        statement = Statement(described.subject, f"Certificate of erasure {erasure.id}", described)
        return await seal_pdf(pages, statement, seal, self._authority, issue.issued_at)

    def _seal(self, now: datetime) -> Seal | None:
        """Read each time: one that was replaced, or put right, is used without a restart. Raises `SealError`."""
        files = seal_files(self._settings)
        is_unmade = files == files_beside(self._settings.keyring_file) and not files.key.exists()
        return None if is_unmade else read_seal(files, now)

    async def _name_of(self, erasure: Erasure) -> str:
        async with self._storage.read(Principal(erasure.org, None, frozenset(), KeyMode.LIVE)) as view:
            return (await view.organization.get()).name
