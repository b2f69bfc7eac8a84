"""Calls while they run, and how one is ended from outside: by the revocation of what it runs under."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from gateway.errors import GatewayError, Kind, UnavailableError

T = TypeVar("T")


class CredentialRevokedError(GatewayError):
    """At the gate, or in the middle of an answer whose call was cut off."""

    kind, code = Kind.UNAUTHENTICATED, "CREDENTIAL_REVOKED"
    message = "The agent's credential, or one above it, was revoked or has expired."


class CredentialUnverifiedError(UnavailableError):
    """Nobody can say whether the call may still run, or its place was given away meanwhile: it does not go on."""

    message = "Whether the credential still holds cannot be told. Try again shortly."


class TooManyInvocationsError(GatewayError):
    kind, code = Kind.THROTTLED, "TOO_MANY_INVOCATIONS"
    message = "The credential, or one above it, runs as many calls as it may. Let one end first."
    retryable = True

    def __init__(self) -> None:
        super().__init__(retry_after_s=1)


Why = CredentialRevokedError | CredentialUnverifiedError

BECAUSE: dict[type[GatewayError], str] = {
    CredentialRevokedError: "credential_revoked",
    CredentialUnverifiedError: "credential_unverified",
}
"""As the audit log says it."""


class Running:
    """One call's way to be ended. Whoever waits for something on the call's behalf is told at once."""

    __slots__ = ("_unwaited", "_waiting", "ended")

    def __init__(self) -> None:
        self.ended: Why | None = None
        """Why, once it was ended: from then on nothing more of it is shown, and what was produced is charged."""
        self._waiting: asyncio.Timeout | None = None
        self._unwaited: Callable[[], object] | None = None

    @property
    def because(self) -> str | None:
        """Why it was ended, as the audit log says it."""
        return None if self.ended is None else BECAUSE[type(self.ended)]

    def end(self, why: Why) -> None:
        """End it now. The first reason counts."""
        if self.ended is not None:
            return
        self.ended = why
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())
        elif self._unwaited is not None:
            self._unwaited()

    def require(self) -> None:
        """Raises `ended`, if it was."""
        if self.ended is not None:
            raise self.ended

    def when_unwaited(self, act: Callable[[], object]) -> None:
        """Have `act` called when the call is ended while nobody waits in `unless_ended`."""
        self._unwaited = act

    async def unless_ended(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives; one waits at a time. Raises `ended` when that comes first, and begins no `work` after."""
        self.require()
        waiting = asyncio.timeout(None)
        try:
            async with waiting:
                self._waiting = waiting
                try:
                    return await work()
                finally:
                    self._waiting = None
        except TimeoutError:
            if self.ended is not None and waiting.expired():
                raise self.ended from None
            raise


class Severable(AsyncIterator[T]):
    """What `source` gives, until the call that reads it is ended: then it raises why."""

    def __init__(self, source: AsyncIterator[T], running: Running) -> None:
        self._source = source
        self._running = running

    async def __anext__(self) -> T:
        return await self._running.unless_ended(self._source.__anext__)
