"""Sends a delivery once, to the public Internet only, and says in one of our words what came of it."""

import asyncio
import ssl
import time

import aiohttp
import structlog
from structlog.typing import FilteringBoundLogger

from gateway.clock import Clock, SystemClock
from gateway.outside.connections import Connections, Trial
from gateway.outside.lookup import Lookup, NotPublicError, SystemLookup
from gateway.outside.target import Target, TargetError, read_target
from gateway.settings import Settings
from gateway.tls import verified_tls
from gateway.webhooks.attempts import Failure, Outcome, Outgoing
from gateway.webhooks.private_targets import warn_of_private_targets
from gateway.webhooks.sender.answers import aborts, failure_of, read_head, retry_after_s
from gateway.webhooks.signing import signature_headers

USER_AGENT = "Hasp-Webhook/1.0"

_BODY_S = 2.0
_RENEW_S = 300.0

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class Sender:
    """One for a process, in the loop that opened it. Close it when the loop ends.

    A try takes `timeout_s` to the head of the answer, and two seconds more to read what is kept of its body.
    `renew_s` bounds how long a connection, and so the address it leads to, is used. `lookup` and `tls` are the
    system's unless given.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        allow_private: bool = False,
        renew_s: float = _RENEW_S,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._own_lookup: SystemLookup | None = None
        if lookup is None:
            lookup = self._own_lookup = SystemLookup()
        self._connections = Connections(lookup, tls or verified_tls(), allow_private=allow_private, renew_s=renew_s)
        self._clock = clock or SystemClock()

    @classmethod
    def configured(cls, settings: Settings, clock: Clock | None = None) -> "Sender":
        warn_of_private_targets(settings)
        return cls(timeout_s=settings.webhook_timeout_s, allow_private=settings.webhook_allow_private, clock=clock)

    async def close(self) -> None:
        """Close every connection. Safe to call twice."""
        await self._connections.close()
        if self._own_lookup is not None:
            self._own_lookup.close()

    async def send(self, outgoing: Outgoing) -> Outcome:
        """One try. Whatever the receiver does is an outcome: nothing is raised for it, and nothing quotes it."""
        began = time.perf_counter()
        try:
            target = read_target(outgoing.url, allow_private=self._allow_private)
        except TargetError:
            return Outcome(Failure.FORBIDDEN_TARGET, _ms_since(began))
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._posted(target, outgoing)
        except Exception as error:  # noqa: BLE001 - strangers decide what is parsed here; each of it is one failed try
            return Outcome(_failure(error), _ms_since(began))
        async with response:
            took = _ms_since(began)
            return Outcome(
                failure_of(response.status),
                took,
                response.status,
                await read_head(response, min(_BODY_S, self._timeout_s)),
                retry_after_s(response.headers, self._clock.now()),
                aborts(response.headers),
            )

    async def _posted(self, target: Target, outgoing: Outgoing) -> aiohttp.ClientResponse:
        trial = Trial()
        try:
            return await self._post(target, outgoing, trial)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            # A receiver may close what it kept for us in the moment in which we use it. That is no failure of its.
            if isinstance(error, aiohttp.ClientConnectorError) or not trial.is_reused:
                raise
        return await self._post(target, outgoing, trial)

    async def _post(self, target: Target, outgoing: Outgoing, trial: Trial) -> aiohttp.ClientResponse:
        session = await self._connections.session()
        return await session.post(
            target.url,
            data=outgoing.body,
            headers=self._headers(outgoing),
            allow_redirects=False,
            trace_request_ctx=trial,
        )

    def _headers(self, outgoing: Outgoing) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "accept-encoding": "identity",
            **signature_headers(outgoing.delivery_id, outgoing.body, outgoing.secrets, self._clock.now()),
        }
        if outgoing.replay_id is not None:
            headers["webhook-replay-id"] = outgoing.replay_id
        return headers


def _ms_since(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _failure(error: Exception) -> Failure:
    match error:
        case TimeoutError():
            return Failure.TIMEOUT
        case aiohttp.ClientSSLError():
            return Failure.TLS_FAILED
        case aiohttp.ClientConnectorDNSError():
            # Also of one that leads to private addresses only: whoever asks may be learning the names of our network.
            return Failure.NAME_NOT_RESOLVED
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, NotPublicError):
            return Failure.FORBIDDEN_TARGET
        case aiohttp.ClientConnectorError():
            return Failure.CONNECTION_FAILED
        case aiohttp.InvalidURL():
            return Failure.FORBIDDEN_TARGET
        case aiohttp.ServerDisconnectedError() | OSError():
            return Failure.CONNECTION_LOST
        case aiohttp.ClientError():
            return Failure.INVALID_ANSWER
        case _:
            _log.error("webhook_answer_unread", error_type=type(error).__name__)
            return Failure.INVALID_ANSWER
