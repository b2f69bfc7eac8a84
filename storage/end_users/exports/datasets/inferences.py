"""Calls that named the person, with what was said in them, and the conversations that they make up."""

from datetime import datetime
from typing import LiteralString

from gateway.end_users.records import Answer, Conversation, Guarding, Inference, Request
from storage import content
from storage.end_users.exports.subject import Scan, Source, last_of
from storage.pool import TupleRow

_ENDED: LiteralString = """
org_id = %(org)s and end_user_id = %(end_user)s and id > %(after)s and completed_at <= %(until)s order by id
limit %(window)s
"""

# Sizes are known without reading the content itself.
_INFERENCES: LiteralString = f"""
select id, conversation_id, key_id, agent_id, surface, model, mode, status, stop_reason, error_code, streamed,
  created_at, completed_at, phi_mode, phi_action, entity_types, redaction_count, audit_entry_id,
  request_content, answer_content
from (
  select *, sum(size) over (order by id rows between unbounded preceding and 1 preceding) as before from (
    select *, coalesce(octet_length(request_content), 0) + coalesce(octet_length(answer_content), 0) as size
    from inferences where {_ENDED}) i) i
where before is null or before < %(most)s order by id
"""  # noqa: S608 - constants of ours

# Compared so, the person's own index is of no use: with old statistics it would be taken for a better one.
_OF_CONVERSATION: LiteralString = """
from inferences m where m.org_id = %(org)s and m.conversation_id = i.conversation_id
  and m.end_user_id is not distinct from %(end_user)s and m.completed_at <= %(until)s
"""

# A conversation is told of where its first call is, so that it is counted once, however many calls it has.
_CONVERSATIONS: LiteralString = f"""
select i.id, i.conversation_id, c.inferences, c.started_at, c.last_at
from (select id, conversation_id from inferences where {_ENDED}) i
left join lateral (select m.id {_OF_CONVERSATION} order by m.id limit 1) f on true
left join lateral (
  select count(*) as inferences, min(m.created_at) as started_at, max(m.created_at) as last_at
  {_OF_CONVERSATION} and i.id = f.id) c on true
order by i.id
"""  # noqa: S608 - constants of ours


async def read_inferences(source: Source, after: str) -> Scan:
    rows = await source.rows(_INFERENCES, after)
    sealed = [
        content.SealedExchange(row[0], bytes(row[-2]), bytes(row[-1]))
        for row in rows
        if row[-2] is not None and row[-1] is not None
    ]
    opened = await content.unseal(source.cipher, source.subject.org, sealed) if sealed else []
    exchanges = dict(zip((each.inference for each in sealed), opened, strict=True))
    return Scan([(row[0], _inference(row, exchanges.get(row[0]))) for row in rows], last_of(rows))


async def read_conversations(source: Source, after: str) -> Scan:
    rows = await source.rows(_CONVERSATIONS, after)
    return Scan([(row[0], _conversation(*row[1:])) for row in rows if row[2]], last_of(rows))


def _conversation(conversation: str, inferences: int, started_at: datetime, last_at: datetime) -> Conversation:
    return {"id": conversation, "started_at": started_at, "last_at": last_at, "inferences": inferences}


def _inference(row: TupleRow, exchange: content.Exchange | None) -> Inference:
    (
        inference,
        conversation,
        key,
        agent,
        surface,
        model,
        mode,
        status,
        stop_reason,
        error_code,
        streamed,
        created_at,
        completed_at,
        phi_mode,
        phi_action,
        entity_types,
        redactions,
        audit_entry,
        asked,
        said,
    ) = row
    phi: Guarding = {"mode": phi_mode, "action": phi_action, "entity_types": entity_types, "redactions": redactions}
    was_kept = asked is not None and said is not None
    return {
        "id": inference,
        "conversation_id": conversation,
        "key_id": key,
        "agent_id": agent,
        "surface": surface,
        "model": model,
        "mode": mode,
        "status": status,
        "stop_reason": stop_reason,
        "error_code": error_code,
        "streamed": streamed,
        "created_at": created_at,
        "completed_at": completed_at,
        "phi": phi,
        "content": "kept" if exchange else "destroyed" if was_kept else "not_kept",
        "request": _request(exchange.request) if exchange else None,
        "answer": _answer(exchange.answer) if exchange else None,
        "audit_entry_id": audit_entry,
    }


def _request(asked: content.Json) -> Request:
    return {
        "system": asked["system"],
        "messages": asked["messages"],
        "first": asked["first"],
        "placeholders": asked["placeholders"],
    }


def _answer(said: content.Json) -> Answer:
    # Older records say less.
    return {
        "content": said["content"],
        "stop_sequence": said["stop_sequence"],
        "stop_details": said.get("stop_details"),
        "usage": said.get("usage", {}),
    }
