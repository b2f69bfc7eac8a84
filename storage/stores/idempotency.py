"""Control-plane requests under idempotency keys: claim, effect and answer are one transaction.

So whatever dies when, either all of it is there or nothing is.
"""

from datetime import UTC, datetime

import orjson
import psycopg
from sqlalchemy import and_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.clock import Clock
from gateway.errors import (
    IdempotencyConflictError,
    IdempotencyInProgressError,
    IdempotencyNotReplayableError,
    UnavailableError,
)
from gateway.idempotency import KEPT, Asked, GivenAnswer
from gateway.ids import OrganizationId
from storage.encryption import ContentCipher, DestroyedError, SealedValueError, SealingKey
from storage.tables import IdempotencyRow

_WAIT_MS = 1_000
"""For how long one waits for another that does the same: writes take milliseconds."""
_RETRY_S = 1


class AlreadyAnsweredError(Exception):
    """Somebody was faster, or this is a repeat: `AnswerReader.get` has the answer. Nothing of ours may be committed."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self.asked = asked


class AnswerReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(self, asked: Asked) -> GivenAnswer:
        """The answer given under that key.

        Raises:
            IdempotencyConflictError: it was another request's.
            IdempotencyInProgressError: there is none, or none any more.
            IdempotencyNotReplayableError: it was given, and destroyed since.
            UnavailableError: the answer does not open.
        """
        row = await self._session.scalar(select(IdempotencyRow).where(_is(asked)))
        if row is None or row.answer is None or row.status is None:
            raise IdempotencyInProgressError(retry_after_s=_RETRY_S)
        if row.body_digest != asked.body_digest:
            raise IdempotencyConflictError
        try:
            opened = await self._cipher.open(self._org, _place(asked), row.answer)
        except DestroyedError:
            raise IdempotencyNotReplayableError from None
        except SealedValueError:
            raise UnavailableError("The stored answer could not be opened.") from None
        headers, _, body = opened.partition(b"\n")
        return GivenAnswer(row.status, orjson.loads(headers), body)


class AnswerStore(AnswerReader):
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher, clock: Clock) -> None:
        super().__init__(session, org, cipher)
        self._clock = clock

    async def claim(self, asked: Asked) -> None:
        """Take the key, before anything else is done in this transaction.

        Raises:
            AlreadyAnsweredError: the key is taken.
            IdempotencyInProgressError: whoever has it did not finish within a second.
            UnavailableError: the answer could not be kept.
        """
        now = self._clock.now()
        # While nothing is locked yet: making it may take a key service's time. `keep` then has it at hand.
        await self._key()
        await self._session.execute(text(f"set local lock_timeout = {_WAIT_MS}"))
        try:
            # Waits for whoever has just written the key and has not committed: afterwards it is theirs, or free.
            claimed = await self._session.scalar(_claim(asked, now))
        except OperationalError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise IdempotencyInProgressError(retry_after_s=_RETRY_S) from None
            raise
        if claimed is None:
            raise AlreadyAnsweredError(asked)
        await self._session.execute(text("set local lock_timeout to default"))

    async def keep(self, asked: Asked, answer: GivenAnswer) -> None:
        """Seal the answer to what was claimed in this transaction: it may show what is shown only once."""
        key = await self._key()
        sealed = key.seal(_place(asked), orjson.dumps(dict(answer.headers)) + b"\n" + answer.body)
        await self._session.execute(
            update(IdempotencyRow).where(_is(asked)).values(status=answer.status, answer=sealed)
        )

    async def _key(self) -> SealingKey:
        return await self._cipher.content_key(self._org, self._clock.now().astimezone(UTC).date())


def _claim(asked: Asked, now: datetime):  # noqa: ANN202 - SQLAlchemy's own
    fresh = {"body_digest": asked.body_digest, "status": None, "answer": None, "created_at": now}
    return (
        insert(IdempotencyRow)
        .values(org_id=asked.org, digest=asked.digest, **fresh)
        .on_conflict_do_update(
            index_elements=[IdempotencyRow.org_id, IdempotencyRow.digest],
            set_=fresh,
            where=IdempotencyRow.created_at <= now - KEPT,
        )
        .returning(IdempotencyRow.created_at)
    )


def _is(asked: Asked):  # noqa: ANN202 - SQLAlchemy's own
    return and_(IdempotencyRow.org_id == asked.org, IdempotencyRow.digest == asked.digest)


def _place(asked: Asked) -> str:
    return f"idempotency_keys.answer/{asked.digest.hex()}"
