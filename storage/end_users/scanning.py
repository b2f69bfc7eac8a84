"""Looks, after an erasure, whether anything is left of the person: on its own, and with statements of its own.

It looks at whatever is tied to the person by their id, by a call or by their digest, and counts what should not be
there. The name itself is known to nobody any more; so each text in those rows is digested as a name would be, and
compared.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, LiteralString

from ulid import ULID

from gateway.end_users.classes import RecordClass
from gateway.end_users.erasure import Erasure, Scan
from storage.end_users.digests import Digests
from storage.pool import Pool, fetch

EXAMINED: Final = frozenset(
    {
        "audit_entries",
        "end_user_erasures",
        "end_user_export_parts",
        "end_user_exports",
        "end_user_keys",
        "end_users",
        "idempotency_keys",
        "inferences",
        "outbox",
        "phi_findings",
        "usage_records",
        "webhook_deliveries",
    }
)

OF_NOBODY: Final[Mapping[str, str]] = {
    "agent_credentials": "what an agent may do",
    "api_keys": "digests of tokens",
    "app_job_steps": "ids of calls",
    "app_jobs": "what workflows were given, of nobody by name; gone with their day",
    "apps": "prompts of the organisation's own",
    "audit_anchors": "time-stamps",
    "audit_export_pages": "audit entries again, for a week",
    "baa_acceptances": "who signed for the organisation",
    "baa_documents": "what they signed",
    "chat_runs": "what chats in the background are asked; gone with their end, which a restriction brings about",
    "content_keys": "keys, wrapped",
    "data_keys": "keys, wrapped",
    "file_chunks": "pieces of files, of nobody by name; gone with their day",
    "files": "what callers uploaded, of nobody by name; gone with their day",
    "presets": "assistants of the organisation's own",
    "end_user_digest_keys": "the organisation's key",
    "organizations": "lists of terms that the organisation keeps itself",
    "refusal_counts": "facts of refusals, for an hour",
    "webhook_attempts": "what receivers answered to ids",
    "webhook_replays": "filters",
    "webhook_secrets": "secrets of webhooks",
}
"""Tables that hold something sealed, structured or digested and have nothing that ties it to a person."""

_LOOKED_FOR: Final = (
    "audit_entries.name",
    "end_user_erasures.name",
    "end_user_export_parts.content",
    "end_user_exports.name",
    "end_user_exports.sealed_key",
    "end_user_keys.sealed",
    "end_users.name",
    "end_users.original",
    "idempotency_keys.inference_id",
    "inferences.answer_content",
    "inferences.name",
    "inferences.request_content",
    "inferences.seals",
    "outbox.name",
    "phi_findings.findings",
)
"""Columns that must be empty, and `name` for the name in any text of a table's rows."""

_PAGE = 1_000
_KEYS = 5_000
_AROUND = timedelta(seconds=1)
"""What a call's end is told by is written with its audit entry, and has an id of the same moment."""

_TEXTS: LiteralString = """
select distinct p.pair ->> 'key', t.word #>> '{}' from (%s) r
cross join lateral jsonb_path_query(to_jsonb(r), '$.** ? (@.type() == "object").keyvalue()') as p(pair)
cross join lateral jsonb_path_query(p.pair -> 'value', '$[*][*] ? (@.type() == "string")') as t(word)
where p.pair ->> 'key' <> all(%(ours)s)
"""

_OURS: Final = (
    *("action", "actor", "basis", "because", "categories_detected", "class", "code", "compliance_events", "cover"),
    *("created_at", "ended_because", "engine", "entity_type", "entity_types", "error_code", "fate", "format", "gate"),
    *("held_by", "hold_reason", "id", "key_mode", "kind", "mode", "model", "org_id", "phi_action", "phi_disposition"),
    *("phi_mode", "provider", "rate_limits", "reason", "reasons", "requested_by", "route", "sent_to", "state"),
    *("status", "stop_reason", "subject_type", "surface", "type", "version", "view"),
)
"""What stands under these comes out of lists that are Hasp's or the operator's, whoever it is about.

Somebody who is named `none` or `completed` would be found in it for ever.
"""
_DELEGATING: Final = "delegating_user"
"""For whom an agent acts: kept with the call and its audit entry, also where it is the same person."""

_PERSON = """
select count(*), count(u.original), count(k.sealed)
from end_users u left join end_user_keys k on k.end_user_id = u.id where u.org_id = %(org)s and u.id = %(end_user)s
"""

_EXPORTS = """
select count(*), count(sealed_key), (
  select count(*) from end_user_export_parts p join end_user_exports o on o.id = p.export_id
  where o.org_id = %(org)s and o.end_user_id = %(end_user)s)
from end_user_exports where org_id = %(org)s and end_user_id = %(end_user)s
"""

_CALLS = """
select id, audit_entry_id from inferences
where org_id = %(org)s and end_user_id = %(end_user)s and id > %(after)s
order by org_id, end_user_id, id limit %(limit)s
"""

_LEFT = """
select count(request_content), count(answer_content), count(seals),
  (select count(*) from phi_findings where inference_id = any(%(ids)s)),
  (select count(*) from usage_records where id = any(%(ids)s))
from inferences where id = any(%(ids)s)
"""

_EVENTS = """
select o.id from unnest(%(calls)s::text[], %(starts)s::text[], %(ends)s::text[]) as c(id, starts, ends)
join outbox o on o.id between c.starts and c.ends and o.org_id = %(org)s and o.data ->> 'request_id' = 'req_' || c.id
"""

_DELIVERIES = "select count(*) from webhook_deliveries where event_id = any(%(ids)s)"

_KEYED = """
select k.digest, i.end_user_id is not distinct from %(end_user)s
from idempotency_keys k left join inferences i on i.id = k.inference_id
where k.org_id = %(org)s and k.digest > %(after)s order by k.org_id, k.digest limit %(limit)s
"""

_AUDITED = """
select id from audit_entries where org_id = %(org)s and subject_id_hmac = %(digest)s and id > %(after)s
order by org_id, subject_id_hmac, id limit %(limit)s
"""

_ROWS_OF_PERSON: Mapping[str, LiteralString] = {
    "end_users": "select * from end_users where org_id = %(org)s and id = %(end_user)s",
    "end_user_exports": "select * from end_user_exports where org_id = %(org)s and end_user_id = %(end_user)s",
    "end_user_erasures": "select * from end_user_erasures where org_id = %(org)s and end_user_id = %(end_user)s",
}
_ROWS_BY_ID: Mapping[str, LiteralString] = {
    "audit_entries": "select * from audit_entries where id = any(%(ids)s)",
    "inferences": "select * from inferences where id = any(%(ids)s)",
    "outbox": "select * from outbox where id = any(%(ids)s)",
}


@dataclass(slots=True)
class Scanning:
    """Of one erasure, once. Changes nothing."""

    pool: Pool
    digests: Digests
    erasure: Erasure
    _examined: Counter[str] = field(default_factory=Counter[str], init=False)
    _found: Counter[str] = field(default_factory=Counter[str], init=False)
    _is_delegating: bool = field(default=False, init=False)

    async def run(self, *, now: datetime) -> tuple[Scan, Mapping[RecordClass, int]]:
        """What was found, and how many records are kept, by class. Reads everything once, however much it is."""
        await self._person()
        async for calls in self._calls():
            await self._page_of_calls(calls)
        await self._answers()
        await self._audited()
        kept = {
            RecordClass.SHELLS: self._examined["inferences"],
            RecordClass.USAGE: self._examined["usage_records"],
            RecordClass.AUDIT: self._examined["audit_entries"],
            RecordClass.WEBHOOKS: self._examined["webhook_deliveries"],
        }
        examined = {table: self._examined[table] for table in sorted(EXAMINED)}
        found = {each: self._found[each] for each in _LOOKED_FOR}
        return Scan(now, examined=examined, found=found, is_delegating=self._is_delegating), kept

    async def _person(self) -> None:
        ((people, names, keys),) = await fetch(self.pool, _PERSON, self._named())
        self._note("end_users", people, original=names)
        self._note("end_user_keys", people, sealed=keys)
        ((exports, export_keys, parts),) = await fetch(self.pool, _EXPORTS, self._named())
        self._note("end_user_exports", exports, sealed_key=export_keys)
        self._note("end_user_export_parts", parts, content=parts)
        for table, rows in _ROWS_OF_PERSON.items():
            await self._look_for_name(table, rows)
        self._note("end_user_erasures", 1)

    async def _calls(self) -> AsyncGenerator[Sequence[tuple[str, str | None]]]:
        after = ""
        while page := await fetch(self.pool, _CALLS, self._named(after=after, limit=_PAGE)):
            yield [(row[0], row[1]) for row in page]
            after = page[-1][0]

    async def _page_of_calls(self, calls: Sequence[tuple[str, str | None]]) -> None:
        ids = [call for call, _ in calls]
        ((requests, answers, seals, findings, used),) = await fetch(self.pool, _LEFT, {"ids": ids})
        self._note("inferences", len(ids), request_content=requests, answer_content=answers, seals=seals)
        self._note("phi_findings", findings, findings=findings)
        self._note("usage_records", used)
        await self._look_for_name("inferences", _ROWS_BY_ID["inferences"], ids=ids)
        events = await self._events(calls)
        self._note("outbox", len(events))
        await self._look_for_name("outbox", _ROWS_BY_ID["outbox"], ids=events)
        ((deliveries,),) = await fetch(self.pool, _DELIVERIES, {"ids": events})
        self._note("webhook_deliveries", deliveries)

    async def _events(self, calls: Sequence[tuple[str, str | None]]) -> list[str]:
        """Ids of the events that told of `calls`."""
        told = [(call, ULID.from_str(entry).datetime) for call, entry in calls if entry is not None]
        named = self._named(
            calls=[call for call, _ in told],
            starts=[str(ULID.from_datetime(at - _AROUND)) for _, at in told],
            ends=[str(ULID.from_datetime(at + _AROUND)) for _, at in told],
        )
        return [row[0] for row in await fetch(self.pool, _EVENTS, named)]

    async def _answers(self) -> None:
        after = b""
        while page := await fetch(self.pool, _KEYED, self._named(after=after, limit=_KEYS)):
            self._note("idempotency_keys", len(page), inference_id=sum(1 for _, is_theirs in page if is_theirs))
            after = page[-1][0]

    async def _audited(self) -> None:
        after = ""
        while page := await fetch(self.pool, _AUDITED, self._named(after=after, limit=_PAGE)):
            ids = [row[0] for row in page]
            self._note("audit_entries", len(ids))
            await self._look_for_name("audit_entries", _ROWS_BY_ID["audit_entries"], ids=ids)
            after = ids[-1]

    async def _look_for_name(self, table: str, rows: LiteralString, **more: object) -> None:
        texts = await fetch(self.pool, _TEXTS.replace("%s", rows), self._named(**more, ours=[*_OURS]))
        for key, word in texts:
            if await self.digests.find(self.erasure.org, word) != self.erasure.digest:
                continue
            if key == _DELEGATING:
                self._is_delegating = True
            else:
                self._note(table, 0, name=1)

    def _note(self, table: str, examined: int, **found: int) -> None:
        """`found`: what should not be there, by column."""
        self._examined[table] += examined
        for column, count in found.items():
            self._found[f"{table}.{column}"] += count

    def _named(self, **more: object) -> dict[str, object]:
        erasure = self.erasure
        return {"org": erasure.org, "end_user": erasure.end_user, "digest": erasure.digest, **more}
