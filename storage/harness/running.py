"""Chats in the background as the worker moves them on. Every change may be made twice; none wakes a run that ended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from gateway.clock import Clock
from gateway.completion import Completion, StopDetails, StopReason, Usage
from gateway.errors import NotFoundError, RetrievalPhiBlockedError, UnavailableError
from gateway.harness.background import Made, RunRequest, RunState
from gateway.ids import ApiKeyId, CredentialId, InferenceId, OrganizationId, RunId
from gateway.inference.call import Status
from gateway.tenancy import Caller
from gateway.transcript import load_block
from storage import content
from storage.content import SealedExchange
from storage.encryption import ContentCipher, SealedValueError
from storage.harness.runs import REQUEST, request_place
from storage.pool import Pool, fetch

_BEGIN: LiteralString = """
update chat_runs set state = 'running', started_at = coalesce(started_at, %(now)s)
where id = %(run)s and org_id = %(org)s and state in ('queued', 'running') returning id
"""

_LOOK: LiteralString = """
select state, key_id, credential_id, request from chat_runs where id = %(run)s and org_id = %(org)s
"""

_FINISH: LiteralString = """
update chat_runs set state = %(state)s, request = '', finished_at = %(now)s,
  error_code = %(code)s, error_message = %(message)s
where id = %(run)s and org_id = %(org)s and state in ('queued', 'running')
"""

_TRIED: LiteralString = """
select h.id, h.state, i.status, i.entity_types, i.request_content, i.answer_content, i.stop_reason, i.error_code
from credit_holds h left join inferences i on i.id = h.id where h.id = any(%(ids)s) and h.org_id = %(org)s
"""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that is to go on, and for whom."""

    caller: Caller
    request: RunRequest


@dataclass(frozen=True, slots=True)
class Try:
    """A call or a use that is to be made under `id`, or was."""

    id: InferenceId
    made: Made | None = None
    is_withheld: bool = False
    """Answered, and billed, and kept from its caller."""
    blocked_for: tuple[str, ...] | None = field(default=None)
    """The kinds of PHI that kept a use from being made."""
    ends_run: bool = False
    """Whether that is the end of the run: the policy of its day said so."""


class RunningChats:
    def __init__(self, pool: Pool, cipher: ContentCipher, clock: Clock) -> None:
        self._pool = pool
        self._cipher = cipher
        self._clock = clock

    async def begin(self, org: OrganizationId, run: RunId) -> bool:
        """Whether there is anything to run. Raises `UnavailableError`."""
        return bool(await fetch(self._pool, _BEGIN, self._named(org, run)))

    async def look(self, org: OrganizationId, run: RunId) -> OpenRun | None:
        """None when it has ended, or what it was asked was destroyed. Raises `NotFoundError`, `UnavailableError`."""
        rows = await fetch(self._pool, _LOOK, self._named(org, run))
        if not rows:
            raise NotFoundError
        ((state, key, credential, request),) = rows
        if not RunState(state).is_open:
            return None
        try:
            (asked,) = await self._cipher.open_all(org, [(request_place(run), bytes(request))])
        except SealedValueError:
            raise UnavailableError("The run could not be opened.") from None
        if asked is None:
            return None
        caller = Caller(org, key and ApiKeyId(key), credential and CredentialId(credential))
        return OpenRun(caller, REQUEST.validate_json(asked))

    async def next_try(self, org: OrganizationId, tries: Sequence[InferenceId]) -> Try | None:
        """The first of `tries` that was settled, or is to be made, or to be made again; None: none is left.

        One whose process died is made again under its own id: whichever of the two is settled first is billed.
        """
        rows = {row[0]: row for row in await fetch(self._pool, _TRIED, {"org": org, "ids": [*tries]})}
        for each in tries:
            if (row := rows.get(each)) is None:
                return Try(each)
            _, state, status, kinds, request, answer, stop, code = row
            if state == "settled":
                if status not in (Status.COMPLETED, Status.CANCELLED) or request is None or answer is None:
                    return Try(each, is_withheld=True)
                return Try(each, made=await self._made(org, each, bytes(request), bytes(answer), stop))
            if status == Status.BLOCKED:
                return Try(each, blocked_for=tuple(kinds), ends_run=code == RetrievalPhiBlockedError.code)
            if state != "voided":
                return Try(each)
        return None

    async def finish(
        self, org: OrganizationId, run: RunId, state: RunState, *, code: str | None, message: str | None
    ) -> None:
        """End it in `state`, unless it has ended."""
        await fetch(self._pool, _FINISH, {**self._named(org, run), "state": state, "code": code, "message": message})

    async def _made(self, org: OrganizationId, call: InferenceId, request: bytes, answer: bytes, stop: str) -> Made:
        """Raises `NotFoundError` for content that was destroyed."""
        (exchange,) = await content.unseal(self._cipher, org, [SealedExchange(call, request, answer)])
        if exchange is None:
            raise NotFoundError("What the run has come to is not kept any more.")
        details = exchange.answer.get("stop_details")
        completion = Completion(
            model="",
            blocks=tuple(load_block(block) for block in exchange.answer["content"]),  # pyright: ignore[reportArgumentType] - blocks of answers
            stop_reason=StopReason(stop),
            usage=Usage(),
            stop_details=StopDetails(details.get("category"), details.get("explanation")) if details else None,
        )
        return Made(call, completion, exchange.request["placeholders"])

    def _named(self, org: OrganizationId, run: RunId) -> dict[str, object]:
        return {"org": org, "run": run, "now": self._clock.now()}
