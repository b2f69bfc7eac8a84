"""`Idempotency-Key`: asking twice does once, and the second answer is the first (spec D13).

Only what was done is remembered: a refusal or a failure leaves the key free. A
replay has the first answer's status and body, the original's request id with
it; the headers are this request's own, with `Idempotent-Replayed: true`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Literal

import orjson
from fastapi import Request, Response
from pydantic import JsonValue

from api.exchange import exchange_of
from api.state import gateway_of
from gateway.audit import AuditAction
from gateway.errors import GatewayError
from gateway.idempotency import HEADER, Asked, GivenAnswer, read_key
from gateway.ids import InferenceId
from gateway.inference import trail
from gateway.inference.call import Call
from gateway.inference.replay import Replay
from gateway.inference.shielding import uninterrupted
from gateway.tenancy import Access
from storage.stores.idempotency import AlreadyAnsweredError
from storage.transaction import Transaction

REPLAYED = {"idempotent-replayed": "true"}
_BELONGING = ("content-type", "etag", "location")
"""Headers that are part of an answer; the others are of the request that it answers."""

Shown = Literal["request", "api_key", "agent_credential", "webhook_endpoint"]
_SHOWN_AGAIN: Mapping[Shown, AuditAction] = {
    "request": AuditAction.ANSWER_SHOWN_AGAIN,
    "api_key": AuditAction.API_KEY_SHOWN_AGAIN,
    "agent_credential": AuditAction.AGENT_CREDENTIAL_SHOWN_AGAIN,
    "webhook_endpoint": AuditAction.WEBHOOK_ENDPOINT_SHOWN_AGAIN,
}


async def once(
    request: Request,
    access: Access,
    effect: Callable[[Transaction], Awaitable[Response]],
    *,
    shows: Shown = "request",
) -> Response:
    """What `effect` answers, in one audited transaction with it; under a key that was used before, what it answered.

    Showing an answer again is audited as well: of the key, credential or webhook whose secret is in it, or of the
    request that it was.

    Raises `ValidationFailedError` for a key that cannot be one, and what `AnswerReader.get` raises.
    """
    storage = gateway_of(request).storage
    asked = await _asked(request, access)
    try:
        async with storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
            if asked is None:
                return await effect(tx)
            await tx.answers.claim(asked)
            response = await effect(tx)
            headers = {name: response.headers[name] for name in _BELONGING if name in response.headers}
            await tx.answers.keep(asked, GivenAnswer(response.status_code, headers, bytes(response.body)))
            return response
    except AlreadyAnsweredError as known:
        async with storage.begin(access.principal, ip_address=exchange_of(request).ip_address) as tx:
            given = await tx.answers.get(known.asked)
            _audit_showing(tx, request, given, shows)
    return Response(given.body, status_code=given.status, headers={**given.headers, **REPLAYED})


def _audit_showing(tx: Transaction, request: Request, given: GivenAnswer, shows: Shown) -> None:
    answer = orjson.loads(given.body)
    # Native answers have it among what is told of them, others beside it.
    first: str = answer.get("meta", answer)["request_id"]
    about: dict[str, JsonValue] = {
        "request_id": exchange_of(request).request_id,
        "replay_of": first,
        "route": request.scope["route"].path,
        "status": given.status,
    }
    entity_id = first.removeprefix("req_") if shows == "request" else _shown_id(answer["data"])
    tx.audit(_SHOWN_AGAIN[shows], entity_type=shows, entity_id=entity_id, metadata=about)


def _shown_id(data: Mapping[str, Mapping[str, str]]) -> str:
    """Of what carries its secret itself, or, as a credential, stands beside it."""
    shown = data.get("credential", data)
    return str(shown["id"])


@asynccontextmanager
async def claimed(request: Request, call: Call) -> AsyncGenerator[Replay | None]:
    """For the length of the block `call` has its request's key, if there is one; or there is its answer already.

    A block that raises leaves the key free, unless the call was opened: then its record tells.

    Raises `ValidationFailedError` for a key that cannot be one, `IdempotencyNotReplayableError`, and what
    `IdempotencyClaims.claim` raises.
    """
    asked = await _asked(request, call.access)
    if asked is None:
        yield None
        return
    claims = gateway_of(request).storage.idempotency
    earlier = await claims.claim(asked, call.id)
    if earlier is not None:
        yield await _replay(request, call, earlier)
        return
    try:
        yield None
    except BaseException:
        with suppress(GatewayError):
            await uninterrupted(claims.release(asked, call.id))
        raise


async def _replay(request: Request, call: Call, earlier: InferenceId) -> Replay:
    """The answer of `earlier`. Somebody is shown a patient's record again, so it is audited as reading it is."""
    await call.quota.admit()
    gateway, exchange = gateway_of(request), exchange_of(request)
    async with gateway.storage.begin(call.access.principal, ip_address=exchange.ip_address) as tx:
        record = await tx.inferences.get(earlier)
        replay = gateway.replays.of(call, record)
        tx.audit(
            AuditAction.AI_MESSAGE_RETRIEVED,
            entity_type="inference",
            entity_id=record.id,
            metadata={"view": "original", "replayed_for": exchange.request_id},
            phi=trail.reading_disposition(record, redacted=False),
            subject=record.subject,
        )
    return replay


async def _asked(request: Request, access: Access) -> Asked | None:
    # By bytes, not by meaning: two bodies that differ in anything are two requests.
    sent = request.headers
    key = read_key([*sent.getlist(HEADER), *sent.getlist(f"X-{HEADER}")])
    if key is None:
        return None
    return gateway_of(request).storage.idempotency.asked(
        key,
        principal=access.principal,
        path=request.url.path,
        body=await request.body(),
        precondition=sent.getlist("if-match"),
    )
