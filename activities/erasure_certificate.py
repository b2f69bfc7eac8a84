"""The certificate of an erasure, signed, and as a sealed document where the installation has a seal."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from gateway.end_users.certificate import Issue, certificate
from gateway.end_users.erasure import Erasure
from gateway.settings import Settings
from gateway.timestamps.authority import TimeStampAuthority
from storage import Storage
from storage.audit_keys import signing_key


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
        issue = Issue(
            organization_name="",
            issued_at=self._storage.clock.now(),
            backup_keep_days=self._settings.backup_keep_days,
            keys_url=f"{self._settings.base_url}/trust/keys",
        )
        return IssuedCertificate(certificate(erasure, issue, signing_key(self._storage.keyring.audit)), None)
