"""Very many calls that named one person, written in bulk: as calls leave their records, and never made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from ulid import ULID

from gateway.audit import AuditAction, PhiDisposition
from gateway.completion import Completion, StopReason, Usage
from gateway.conversation import Text
from gateway.phi.findings import Entity
from storage import Storage, content
from storage.encryption import SealingKey
from storage.end_users.binding import EndUser
from tests.tenants import HAIKU, Tenant, make_conversation

RECORDS_A_CALL: Final = 4
"""Of an export: what was said, what was found in it, what it cost, and the audit log's entry."""

CALLS_A_CONVERSATION: Final = 10

_DAYS: Final = 20
_AT_ONCE: Final = 5_000
_SAID: Final = "Blood pressure 120 over 80, and slept well; nothing else to report, see you next week. " * 3

_COPIES: Final[dict[str, LiteralString]] = {
    "inferences": "copy inferences (id, org_id, key_id, end_user_id, surface, model, mode, status, streamed, stored,"
    " conversation_id, created_at, completed_at, stop_reason, phi_mode, phi_action, entity_types, redaction_count,"
    " request_content, answer_content, audit_entry_id) from stdin",
    "phi_findings": "copy phi_findings (inference_id, org_id, findings) from stdin",
    "usage_records": "copy usage_records (id, org_id, period_start, key_id, model, mode, created_at, input_tokens,"
    " output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, reasoning_tokens, estimated,"
    " credits, cost_micro_usd) from stdin",
    "audit_entries": "copy audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata,"
    " phi_disposition, subject_type, subject_id_hmac, created_at) from stdin",
    "audit_pending": "copy audit_pending (entry_id) from stdin",
}


@dataclass(frozen=True, slots=True)
class _Written:
    """One call, and where it belongs."""

    number: int
    at: datetime
    id: str
    entry: str
    conversation: str


async def put_calls(storage: Storage, owner_url: str, tenant: Tenant, name: str, calls: int) -> EndUser:
    """Ended calls of some past days that named `name`. Their audit entries wait to be sealed; nothing was charged."""
    person = await storage.end_users.of(tenant.org, name)
    began = datetime.now(UTC) - timedelta(days=_DAYS)
    async with await AsyncConnection.connect(owner_url) as connection:
        for first in range(0, calls, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, calls))
            batch = [_written(number, began + timedelta(days=_DAYS - 1) * number / calls) for number in numbers]
            keys = {
                day: await storage.cipher.content_key(tenant.org, day, (person.id, person.key))
                for day in {call.at.date() for call in batch}
            }
            for table, row in _rows(tenant, person, keys.__getitem__):
                async with connection.cursor() as cursor, cursor.copy(_COPIES[table]) as copy:
                    for call in batch:
                        await copy.write_row(row(call))
            await connection.commit()
        await connection.set_autocommit(True)
        await connection.execute("analyze")
    return person


def _written(number: int, at: datetime) -> _Written:
    return _Written(number, at, str(ULID.from_datetime(at)), str(ULID.from_datetime(at)), _conversation(number))


def _conversation(number: int) -> str:
    return f"{number // CALLS_A_CONVERSATION:026}"


def _rows(
    tenant: Tenant, person: EndUser, key_of: Callable[[Any], SealingKey]
) -> Iterator[tuple[str, Callable[[_Written], tuple[object, ...]]]]:
    org, key = tenant.org, tenant.key.id
    finding = {"slot": "messages[0].content", "start": 0, "end": 5, "entity": Entity.PERSON.value, "score_milli": 900}

    def inference(call: _Written) -> tuple[object, ...]:
        asked, said = _sealed(key_of(call.at.date()), call)
        shell = (call.id, org, key, person.id, "messages", HAIKU.id, "live", "completed", False, True)
        times = (call.conversation, call.at, call.at, StopReason.END_TURN.value)
        return *shell, *times, "redact", "redacted", [Entity.PERSON.value], 1, asked, said, call.entry

    def findings(call: _Written) -> tuple[object, ...]:
        return call.id, org, Jsonb([{**finding, "placeholder": "[NAME_1]"}])

    def usage(call: _Written) -> tuple[object, ...]:
        month = call.at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return call.id, org, month, key, HAIKU.id, "live", call.at, 20, 10, 0, 0, 0, 0, False, 10, 100

    def entry(call: _Written) -> tuple[object, ...]:
        about = (AuditAction.AI_REQUEST_COMPLETED.value, "inference", call.id, f"key:{key}", Jsonb({"model": HAIKU.id}))
        return call.entry, org, *about, PhiDisposition.REDACTED.value, "end_user", person.digest, call.at

    yield "inferences", inference
    yield "phi_findings", findings
    yield "usage_records", usage
    yield "audit_entries", entry
    yield "audit_pending", lambda call: (call.entry,)


def _sealed(key: SealingKey, call: _Written) -> tuple[bytes, bytes]:
    conversation = make_conversation(f"Maria, visit {call.number}: {_SAID}")
    answer = Completion(
        model=HAIKU.upstream,
        blocks=(Text(f"Noted, [NAME_1], visit {call.number}."),),
        stop_reason=StopReason.END_TURN,
        usage=Usage(input=20, output=10),
    )
    sealed = content.seal(
        key,
        call.id,
        request=content.dump_request(conversation, own_turns=None, placeholders={"[NAME_1]": "Maria"}),
        answer=content.dump_answer(answer),
    )
    return sealed.request, sealed.answer
