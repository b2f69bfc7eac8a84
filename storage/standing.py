"""What whoever asked for work may do by now, when the work goes on without them and their token is not at hand."""

from gateway.clock import Clock
from gateway.errors import InvalidApiKeyError, NotFoundError
from gateway.ids import OrganizationId
from gateway.keys.api_key import OutsideNetworksError
from gateway.keys.networks import admits
from gateway.tenancy import Access, Caller, Policy
from storage.access_rows import Bearer, bearer_by_id, ended, policy_by_org, policy_of
from storage.encryption import ContentCipher
from storage.pool import Pool
from storage.terms import open_terms


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
        return await self._access(await self._bearer(caller))

    async def access_at(self, caller: Caller, address: str | None) -> Access:
        """Of somebody who is there, as `caller`, without a token. Raises `OutsideNetworksError` too."""
        bearer = await self._bearer(caller)
        if caller.key is not None and not admits(bearer.networks, address):
            raise OutsideNetworksError(caller.org, caller.key)
        return await self._access(bearer)

    async def policy_of(self, org: OrganizationId) -> Policy:
        """What an organisation allows by now, whoever asks. Raises `NotFoundError`, and as `access_of` does."""
        found = await policy_by_org(self._pool, org)
        if found is None:
            raise NotFoundError("The organization does not exist.")
        terms, row = found
        return policy_of(row, await open_terms(self._cipher, org, terms))

    async def _bearer(self, caller: Caller) -> Bearer:
        now = self._clock.now()
        bearer = await bearer_by_id(self._pool, caller.org, key=caller.key, credential=caller.credential, now=now)
        if bearer is None:
            raise InvalidApiKeyError
        principal = bearer.principal
        if bearer.has_ended:
            raise ended(principal, expired=False)
        if bearer.expires_at is not None and bearer.expires_at <= now:
            raise ended(principal, expired=True)
        return bearer

    async def _access(self, bearer: Bearer) -> Access:
        principal = bearer.principal
        terms = await open_terms(self._cipher, principal.org, bearer.terms)
        return Access(principal, policy_of(bearer.policy, terms), bearer.choices)
