"""Secrets of webhook endpoints: sealed under the organisation's data key, beyond the reach of every purge."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.ids import EndpointId, OrganizationId, new_ulid
from gateway.webhooks.endpoints import MOST_OVERLAPPING, TooManySecretsError
from gateway.webhooks.signing import SecretKind, SigningSecret
from storage.encryption import ContentCipher
from storage.tables import WebhookSecretRow


def place(secret_id: str) -> str:
    """Where a secret is sealed for."""
    return f"webhook_secrets.secret/{secret_id}"


class SecretStore:
    """Whoever changes an endpoint's secrets has locked the endpoint."""

    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def add(
        self, endpoint: EndpointId, kinds: Iterable[SecretKind], *, now: datetime
    ) -> tuple[SigningSecret, ...]:
        """New secrets, one of each kind. Raises `UnavailableError` when they cannot be sealed."""
        made = tuple(map(SigningSecret.new, kinds))
        for secret in made:
            secret_id = new_ulid()
            row = WebhookSecretRow(
                id=secret_id,
                endpoint_id=endpoint,
                org_id=self._org,
                kind=secret.kind,
                secret=await self._cipher.seal(self._org, place(secret_id), secret.key),
                created_at=now,
                retires_at=None,
            )
            self._session.add(row)
        await self._session.flush()
        return made

    async def retire(self, endpoint: EndpointId, *, at: datetime, now: datetime) -> None:
        """Let what there is end then, or when it was to end if that is sooner; what has ended is destroyed.

        Raises `TooManySecretsError`.
        """
        ending = func.least(func.coalesce(WebhookSecretRow.retires_at, at), at)
        await self._session.execute(update(WebhookSecretRow).where(self._of(endpoint)).values(retires_at=ending))
        await self._session.execute(
            delete(WebhookSecretRow).where(self._of(endpoint), WebhookSecretRow.retires_at <= now)
        )
        kept = select(func.count()).where(self._of(endpoint), WebhookSecretRow.kind == SecretKind.HMAC)
        if (await self._session.scalar(kept) or 0) > MOST_OVERLAPPING:
            raise TooManySecretsError

    async def destroy(self, endpoint: EndpointId) -> None:
        await self._session.execute(delete(WebhookSecretRow).where(self._of(endpoint)))

    def _of(self, endpoint: EndpointId) -> ColumnElement[bool]:
        return (WebhookSecretRow.org_id == self._org) & (WebhookSecretRow.endpoint_id == endpoint)
