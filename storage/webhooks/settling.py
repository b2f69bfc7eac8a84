"""What came of tries: every try a row, the delivery's new state, and its endpoint's health, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.ids import EndpointId
from gateway.webhooks.attempts import Outcome
from gateway.webhooks.deliveries import DeliveryState
from gateway.webhooks.health import Tried
from storage.pool import Connection, Pool, repeatable
from storage.webhooks.claims import Due
from storage.webhooks.health import judge

# What was settled under this number already is left alone: a try that was made twice is settled once.
_SETTLE = """
with tried as (
  select * from unnest(
    %(ids)s::text[], %(numbers)s::integer[], %(began)s::timestamptz[], %(over)s::timestamptz[],
    %(durations)s::integer[], %(statuses)s::integer[], %(failures)s::text[], %(heads)s::bytea[], %(states)s::text[],
    %(next_at)s::timestamptz[]) as t(id, number, began, over, duration_ms, status, failure, head, state, next_at)
),
locked as (
  select d.id from webhook_deliveries d join tried t using (id)
  where d.attempts = t.number - 1 and d.state in ('pending', 'retrying')
  order by d.id for update of d
),
settled as (
  update webhook_deliveries d set
    state = t.state, attempts = t.number, claimed_until = null, next_attempt_at = t.next_at,
    last_status = t.status, last_failure = t.failure,
    finished_at = case when t.state <> 'retrying' then t.over end
  from tried t join locked using (id) where d.id = t.id
  returning d.id, d.org_id, d.endpoint_id, d.replay_id
),
kept as (
  insert into webhook_attempts
    (delivery_id, number, org_id, at, duration_ms, status, failure, response_head, replay_id)
  select s.id, t.number, s.org_id, t.began, t.duration_ms, t.status, t.failure, t.head, s.replay_id
  from settled s join tried t using (id)
  on conflict do nothing
)
select s.id, coalesce(h.failures > 0 or h.rests_until is not null, false)
from settled s left join webhook_health h on h.endpoint_id = s.endpoint_id
"""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A try that is over. `head` is sealed for `head_place`; `next_at` is given exactly when it is `retrying`."""

    due: Due
    began: datetime
    outcome: Outcome
    head: bytes | None
    state: DeliveryState
    next_at: datetime | None

    @property
    def over(self) -> datetime:
        return self.began + timedelta(milliseconds=self.outcome.duration_ms)


def head_place(delivery: str, number: int) -> str:
    """Where the head of an answer is sealed for."""
    return f"webhook_attempts.response_head/{delivery}/{number}"


async def settle(pool: Pool, settlements: Sequence[Settlement]) -> list[bool]:
    """Write all of them in one transaction; for each whether it was new. Safe to repeat.

    Raises `UnavailableError`.
    """
    return await repeatable(pool, lambda connection: _settle(connection, settlements))


async def _settle(connection: Connection, settlements: Sequence[Settlement]) -> list[bool]:
    async with connection.transaction():
        rows = await (await connection.execute(_SETTLE, _columns(settlements))).fetchall()
        settled: dict[str, bool] = dict(rows)
        new = [each for each in settlements if each.due.id in settled]
        unwell = {each.due.endpoint_id for each in new if settled[each.due.id] or not each.outcome.is_delivered}
        if unwell:
            await judge(connection, _tries(new, unwell), now=max(each.over for each in new))
    return [each.due.id in settled for each in settlements]


def _tries(settlements: Sequence[Settlement], endpoints: set[EndpointId]) -> dict[EndpointId, list[tuple[Tried, bool]]]:
    tries: dict[EndpointId, list[tuple[Tried, bool]]] = {}
    for each in sorted(settlements, key=lambda each: each.over):
        if each.due.endpoint_id in endpoints:
            outcome = each.outcome
            tried = Tried(outcome.is_delivered, each.began, each.over, outcome.retry_after_s)
            tries.setdefault(each.due.endpoint_id, []).append((tried, outcome.is_gone))
    return tries


def _columns(settlements: Sequence[Settlement]) -> dict[str, object]:
    outcomes = [each.outcome for each in settlements]
    return {
        "ids": [each.due.id for each in settlements],
        "numbers": [each.due.number for each in settlements],
        "began": [each.began for each in settlements],
        "over": [each.over for each in settlements],
        "durations": [outcome.duration_ms for outcome in outcomes],
        "statuses": [outcome.status for outcome in outcomes],
        "failures": [outcome.failure and outcome.failure.value for outcome in outcomes],
        "heads": [each.head for each in settlements],
        "states": [each.state.value for each in settlements],
        "next_at": [each.next_at for each in settlements],
    }
