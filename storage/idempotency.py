"""AI calls under idempotency keys: who may make one, and which inference answers whoever asks again.

A claim is a small statement of its own, before anything is held, and names
the inference that it is for. Whether that one is done is told by its own
record and by nothing else, so a process may die at any line: a call that was
answered is answered again, one that came to nothing makes the key free.
"""

from collections.abc import Iterable
from typing import LiteralString

from gateway.clock import Clock
from gateway.errors import IdempotencyConflictError, IdempotencyInProgressError
from gateway.idempotency import KEPT, TO_BE_OPENED, Asked
from gateway.ids import InferenceId
from gateway.tenancy import Principal
from storage.keyring import Ring
from storage.pool import Pool, durable, fetch

_RETRY_S = 5
_TRIES = 3

# A whole answer whose client did not wait for it was made and charged: asked again it is there, and costs nothing more.
_ANSWERED: LiteralString = """
(i.status = 'completed' or i.status = 'cancelled' and not i.streamed and i.stop_reason is not null)
"""
_BUSY: LiteralString = f"(i.status = 'in_progress' or {_ANSWERED})"

_CLAIM: LiteralString = f"""
insert into idempotency_keys as k (org_id, digest, body_digest, inference_id, claimed_until, created_at)
values (%(org)s, %(digest)s, %(body)s, %(inference)s, %(until)s, %(now)s)
on conflict (org_id, digest) do update
set body_digest = excluded.body_digest, inference_id = excluded.inference_id,
    claimed_until = excluded.claimed_until, created_at = excluded.created_at
where k.created_at <= %(forgotten)s
   -- Sent again, since nobody knew whether it had arrived.
   or k.inference_id = excluded.inference_id
   or exists (select from inferences i join credit_holds h on h.id = i.id
     where i.id = k.inference_id and not {_BUSY} and h.state <> 'expired')
   or k.claimed_until < %(now)s and not exists (select from inferences i where i.id = k.inference_id)
returning 1
"""  # noqa: S608 - constants of ours

_STATE: LiteralString = f"""
select k.body_digest, k.inference_id, coalesce({_ANSWERED}, false), coalesce({_BUSY}, true)
from idempotency_keys k left join inferences i on i.id = k.inference_id
where k.org_id = %(org)s and k.digest = %(digest)s
"""  # noqa: S608 - constants of ours

# A process that sleeps beyond its lease may wake and settle its lost call. From here on it cannot.
_GIVE_UP = """
update credit_holds set state = 'voided', closed_at = %(now)s where id = %(inference)s and state = 'expired'
"""

_RELEASE: LiteralString = f"""
delete from idempotency_keys k
where k.org_id = %(org)s and k.digest = %(digest)s and k.inference_id = %(inference)s
  and not exists (select from inferences i where i.id = k.inference_id and {_BUSY})
"""  # noqa: S608 - constants of ours

_FORGET = """
delete from idempotency_keys k
using (select org_id, digest from idempotency_keys where created_at <= %(before)s
       order by created_at limit %(limit)s for update skip locked) as old
where k.org_id = old.org_id and k.digest = old.digest
"""


class IdempotencyClaims:
    """One per process."""

    def __init__(self, pool: Pool, peppers: Ring, clock: Clock) -> None:
        self._pool = pool
        # The oldest: a new version must neither make a key unknown nor, while processes differ, count it twice.
        self._secret = peppers.keys[min(peppers.keys)]
        self._clock = clock

    def asked(
        self, key: str, *, principal: Principal, path: str, body: bytes, precondition: Iterable[str] = ()
    ) -> Asked:
        return Asked.under(
            key, secret=self._secret, principal=principal, path=path, body=body, precondition=precondition
        )

    async def claim(self, asked: Asked, inference: InferenceId) -> InferenceId | None:
        """Take the key for `inference`; else the inference that was completed under it.

        A key whose call was refused, blocked, failed, lost with its process or left by its client is free.

        Raises:
            IdempotencyConflictError: the key is another request's.
            IdempotencyInProgressError: the call that has it is still running.
            UnavailableError: the database cannot say.
        """
        for _ in range(_TRIES):
            if await self._take(asked, inference):
                return None
            found = await fetch(self._pool, _STATE, {"org": asked.org, "digest": asked.digest})
            for body_digest, holder, answered, busy in found:
                if busy and bytes(body_digest) != asked.body_digest:
                    raise IdempotencyConflictError
                if answered:
                    return InferenceId(holder)
                if busy:
                    raise IdempotencyInProgressError(retry_after_s=_RETRY_S)
                await fetch(self._pool, _GIVE_UP, {"inference": holder, "now": self._clock.now()})
        raise IdempotencyInProgressError(retry_after_s=_RETRY_S)

    async def release(self, asked: Asked, inference: InferenceId) -> None:
        """Free the key again unless `inference` runs or was completed. Not doing so has it free by itself in a while.

        Raises `UnavailableError`.
        """
        await fetch(self._pool, _RELEASE, {"org": asked.org, "digest": asked.digest, "inference": inference})

    async def _take(self, asked: Asked, inference: InferenceId) -> bool:
        now = self._clock.now()
        claim = {
            "org": asked.org,
            "digest": asked.digest,
            "body": asked.body_digest,
            "inference": inference,
            "until": now + TO_BE_OPENED,
            "now": now,
            "forgotten": now - KEPT,
        }
        return bool(await fetch(self._pool, _CLAIM, claim))


async def forget_keys(pool: Pool, clock: Clock, *, limit: int) -> int:
    """Delete some of what was asked longer ago than keys count, oldest first; returns how many.

    Safe to repeat, also at once; `limit` when there may be more.
    """
    before = clock.now() - KEPT
    async with durable(pool) as connection:
        return (await connection.execute(_FORGET, {"before": before, "limit": limit})).rowcount
