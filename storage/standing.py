"""What whoever asked for work may do by now, when the work goes on without them and their token is not at hand."""

from dataclasses import dataclass

from gateway.clock import Clock
from gateway.errors import InvalidApiKeyError
from gateway.ids import ApiKeyId, CredentialId, OrganizationId
from gateway.tenancy import Access, Principal
from storage.access_rows import bearer_by_id, ended, policy_of
from storage.encryption import ContentCipher
from storage.pool import Pool
from storage.terms import open_terms


@dataclass(frozen=True, slots=True)
class Caller:
    """By a key, or by an agent's credential: one of the two."""

    org: OrganizationId
    key: ApiKeyId | None
    credential: CredentialId | None

    @classmethod
    def of(cls, principal: Principal) -> "Caller":
        delegation = principal.delegation
        return cls(principal.org, principal.key, delegation.credential if delegation else None)


class Standing:
    """Looks callers up each time: work in the background is rare beside calls, and a revoked key ends it."""

    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock

    async def access_of(self, caller: Caller) -> Access:
        """Raises `InvalidApiKeyError` when the key or credential was revoked or has expired since.

        `UnavailableError` when nobody can say. Networks are not asked about: the caller is not there.
        """
        now = self._clock.now()
        bearer = await bearer_by_id(self._pool, caller.org, key=caller.key, credential=caller.credential, now=now)
        if bearer is None:
            raise InvalidApiKeyError
        principal = bearer.principal
        if bearer.has_ended:
            raise ended(principal, expired=False)
        if bearer.expires_at is not None and bearer.expires_at <= now:
            raise ended(principal, expired=True)
        terms = await open_terms(self._cipher, principal.org, bearer.terms)
        return Access(principal, policy_of(bearer.policy, terms), bearer.choices)
