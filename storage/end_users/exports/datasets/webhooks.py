"""Notifications about the person: events that name them, a call or an export of theirs, by webhook they were for."""

from datetime import timedelta
from typing import LiteralString
from urllib.parse import urlsplit

from ulid import ULID

from gateway.end_users.records import Webhook
from storage.end_users.exports.subject import Scan, Source, last_of
from storage.pool import TupleRow

# No event names anybody but by id. All of the organisation's deliveries are looked at once, in order.
_WEBHOOKS: LiteralString = """
select d.id, d.event_id, d.event_type, o.data, d.endpoint_id, w.url, d.created_at,
  case when d.state = 'delivered' and d.finished_at <= %(until)s then d.finished_at end,
  o.data ->> 'end_user_id' = %(end_user)s
    or exists (select from inferences i where i.id = substr(o.data ->> 'request_id', 5)
      and i.org_id = %(org)s and i.end_user_id = %(end_user)s and i.completed_at <= %(until)s)
    or exists (select from end_user_exports x where x.id = o.data ->> 'export_id'
      and x.org_id = %(org)s and x.end_user_id = %(end_user)s)
from (
  select * from webhook_deliveries
  where org_id = %(org)s and id > %(after)s and created_at <= %(until)s order by id limit %(window)s) d
join outbox o on o.id = d.event_id left join webhook_endpoints w on w.id = d.endpoint_id
order by d.id
"""

_APART = timedelta(days=1)
"""What clocks of processes surely differ less than."""


async def read_webhooks(source: Source, after: str) -> Scan:
    # Ids begin with the time of the event, and none came before the person did.
    first = str(ULID.from_datetime(source.subject.created_at - _APART))
    rows = await source.rows(_WEBHOOKS, max(after, first))
    return Scan([(row[0], _webhook(row)) for row in rows if row[-1]], last_of(rows))


def _host(url: str) -> str | None:
    return urlsplit(url).hostname


def _webhook(row: TupleRow) -> Webhook:
    delivery, event, event_type, data, endpoint, url, created_at, delivered_at, _ = row
    return {
        "id": delivery,
        "event_id": event,
        "event_type": event_type,
        "data": data,
        "endpoint_id": endpoint,
        # Paths of webhooks are as good as passwords.
        "host": _host(url) if url else None,
        "created_at": created_at,
        "delivered_at": delivered_at,
    }
