"""What every request gets: an id, a body limit, headers, a log line and an answer even when our code fails.

Pure ASGI: a per-request task group or a wrapped stream would cost more than
all of this does.
"""

import re
from socket import AF_INET, AF_INET6, inet_pton
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.exchange import Exchange, put_exchange
from api.rate_limits import rate_headers
from api.refusals import compatible_dialect, refuse
from gateway.errors import InternalError, TooLargeError
from gateway.ids import InferenceId, new_ulid
from gateway.logs import logger, raised_at

API_VERSION = "2026-04-01"

_HUNG_UP = 499
"""Logged, never sent: the client was gone before there was a status."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

_COMMON = (
    (b"hasp-version", API_VERSION.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_NO_STORE = (b"cache-control", b"no-store")
_UNKNOWN_VERSION = (b"warning", b'299 hasp "Unknown Hasp-Version ignored"')


class ExchangeMiddleware:
    """Outermost of ours.

    A request's id is a record's, and ours to give. On surfaces whose clients send their own in `X-Request-ID` that is
    told back, with ours beside it (spec U32); elsewhere it is ignored.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(InferenceId(new_ulid()), _address(scope), send)
        if compatible_dialect(scope["path"]) is not None:
            exchange.callers_id = _callers_id(scope)
        put_exchange(scope, exchange)
        outgoing = _Outgoing(send, exchange, scope)
        incoming = _LimitedBody(receive, scope, self._max_body_bytes)
        try:
            await self._app(scope, incoming, outgoing)
        except ClientDisconnect:
            outgoing.status = outgoing.status or _HUNG_UP
        except Exception as failure:  # noqa: BLE001 - the server would print the traceback, which may quote a request
            logger.error(
                "request.crashed",
                request_id=exchange.request_id,
                error_type=type(failure).__name__,
                raised_at=raised_at(failure.__traceback__),
            )
            if not outgoing.status:
                response = await refuse(scope, InternalError())
                await response(scope, incoming, outgoing)
        finally:
            _log(scope, exchange, outgoing)


class _Outgoing:
    """`send` that adds our headers and remembers the status."""

    __slots__ = ("_exchange", "_scope", "_send", "started_at", "status")

    def __init__(self, send: Send, exchange: Exchange, scope: AsgiScope) -> None:
        self._send = send
        self._exchange = exchange
        self._scope = scope
        self.status = 0
        self.started_at = perf_counter()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: list[tuple[bytes, bytes]] = [*message.get("headers", ()), *_COMMON]
            told = self._exchange.told_id.encode()
            headers.append((b"x-request-id", told))
            headers.append((b"request-id", told))
            if self._exchange.callers_id is not None:
                headers.append((b"hasp-request-id", self._exchange.request_id.encode()))
            headers += rate_headers(self._exchange)
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(_NO_STORE)
            version = _header(self._scope, b"hasp-version")
            if version is not None and version != API_VERSION.encode():
                headers.append(_UNKNOWN_VERSION)
            message = {**message, "headers": headers}
        await self._send(message)


class _LimitedBody:
    """`receive` that raises `TooLargeError` once the body is known to exceed the limit, announced or not."""

    __slots__ = ("_announced", "_limit", "_receive", "_received")

    def __init__(self, receive: Receive, scope: AsgiScope, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._received = 0
        length = _header(scope, b"content-length")
        self._announced = int(length) if length and length.isdigit() else 0

    async def __call__(self) -> Message:
        if self._announced > self._limit:
            raise TooLargeError(details={"max_bytes": self._limit})
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            if self._received > self._limit:
                raise TooLargeError(details={"max_bytes": self._limit})
        return message


def _address(scope: AsgiScope) -> str | None:
    """The client's address; None for words that are none, which a trusted proxy may pass on as somebody wrote them."""
    client = scope.get("client")
    host = client[0].partition("%")[0] if client else ""
    try:
        inet_pton(AF_INET6 if ":" in host else AF_INET, host)
    except (OSError, ValueError):
        return None
    return host


def _callers_id(scope: AsgiScope) -> str | None:
    sent = _header(scope, b"x-request-id")
    return sent.decode() if sent is not None and _REQUEST_ID.fullmatch(sent) else None


def _header(scope: AsgiScope, wanted: bytes) -> bytes | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for name, value in headers:
        if name == wanted:
            return value
    return None


def _log(scope: AsgiScope, exchange: Exchange, outgoing: _Outgoing) -> None:
    route = scope.get("route")
    principal = exchange.access.principal if exchange.access else None
    delegation = principal.delegation if principal else None
    logger.info(
        "request.answered",
        method=scope["method"] if route else None,
        route=route.path if route else None,
        status=outgoing.status,
        error_code=exchange.error_code,
        duration_ms=round((perf_counter() - outgoing.started_at) * 1000, 1),
        request_id=exchange.request_id,
        org_id=principal.org if principal else None,
        key_id=principal.key if principal else None,
        agent_id=delegation.agent if delegation else None,
        credential_id=delegation.credential if delegation else None,
    )
