"""Reading records of inferences back, content opened."""

from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.completion import Usage
from gateway.conversation import Conversation, Sampling, Text, Turn
from gateway.errors import NotFoundError
from gateway.ids import AgentId, ConversationId, InferenceId, OrganizationId
from gateway.inference.call import Status, Surface
from gateway.inference.records import Content, InferenceRecord
from gateway.phi.findings import Finding
from gateway.phi.recorded import as_sent, without_values
from gateway.tenancy import PhiMode
from gateway.transcript import dump_content, dump_turn, load_stop_details, load_turn
from storage import content
from storage.encryption import ContentCipher
from storage.tables import AuditSealRow, EndUserRow, FindingsRow, InferenceRow, UsageRow

_FINDINGS = TypeAdapter(tuple[Finding, ...])


class InferenceReader:
    def __init__(self, session: AsyncSession, org: OrganizationId, cipher: ContentCipher) -> None:
        self._session = session
        self._org = org
        self._cipher = cipher

    async def get(
        self, inference: InferenceId, *, redacted: bool = False, agent: AgentId | None = None
    ) -> InferenceRecord:
        """The record, its content opened; `redacted`, as the provider saw it. Content that was destroyed is None, as
        content is that was never kept.

        Raises `NotFoundError`, also for another organisation's record, and for what `agent`, if given, did not ask.
        """
        query = (
            select(InferenceRow, UsageRow, AuditSealRow.hash, EndUserRow.digest, EndUserRow.state)
            .join(UsageRow, UsageRow.id == InferenceRow.id, isouter=True)
            .join(AuditSealRow, AuditSealRow.entry_id == InferenceRow.audit_entry_id, isouter=True)
            .join(EndUserRow, EndUserRow.id == InferenceRow.end_user_id, isouter=True)
            .where(InferenceRow.id == inference, InferenceRow.org_id == self._org)
        )
        if agent is not None:
            query = query.where(InferenceRow.agent_id == agent)
        found = (await self._session.execute(query)).first()
        if found is None:
            raise NotFoundError("The message does not exist.", param="message_id")
        row, usage, seal, subject, state = found
        findings = await self._findings(row)
        # Of somebody who is being erased nothing is read any more.
        is_readable = state in (None, "active")
        recorded = await self._content(row) if is_readable else None
        return InferenceRecord(
            id=InferenceId(row.id),
            surface=Surface(row.surface),
            status=Status(row.status),
            model=row.model,
            conversation=ConversationId(row.conversation_id) if row.conversation_id else None,
            created_at=row.created_at,
            completed_at=row.completed_at,
            stored=row.stored,
            content=_as_sent(recorded, findings) if recorded and redacted else recorded,
            stop_reason=row.stop_reason,
            usage=_usage(usage, recorded),
            credits=usage.credits if usage else 0,
            cost_micro_usd=usage.cost_micro_usd if usage else None,
            phi_mode=PhiMode(row.phi_mode) if row.phi_mode else None,
            phi_action=row.phi_action,
            entity_types=tuple(row.entity_types),
            redaction_count=row.redaction_count,
            findings=findings,
            audit_entry_id=row.audit_entry_id,
            integrity_hash=seal,
            subject=subject,
        )

    async def _content(self, row: InferenceRow) -> Content | None:
        if row.request_content is None or row.answer_content is None:
            return None
        sealed = content.SealedExchange(row.id, row.request_content, row.answer_content)
        (exchange,) = await content.unseal(self._cipher, self._org, [sealed])
        if exchange is None:
            return None
        asked, said = exchange.request, exchange.answer
        return Content(
            system=asked["system"],
            messages=tuple(asked["messages"]),
            first_message=asked["first"],
            answer=tuple(said["content"]),
            stop_sequence=said["stop_sequence"],
            placeholders=asked["placeholders"],
            stop_details=load_stop_details(said.get("stop_details")),
            **said.get("usage", {}),
        )

    async def _findings(self, row: InferenceRow) -> tuple[Finding, ...]:
        found = await self._session.get(FindingsRow, row.id)
        return _FINDINGS.validate_python(found.findings) if found else ()


def _as_sent(recorded: Content, findings: Sequence[Finding]) -> Content:
    # Findings count turns from the conversation's first; a continued one is recorded from a later one on.
    earlier = (Turn("user", ()),) * recorded.first_message
    system = load_turn({"role": "system", "content": recorded.system or []})
    original = Conversation(
        turns=(*earlier, *(load_turn(message) for message in recorded.messages)),
        sampling=Sampling(max_tokens=1),
        system=tuple(block for block in system.blocks if isinstance(block, Text)),
        system_plain=system.plain,
    )
    sent = as_sent(original, findings)
    return Content(
        system=dump_content(sent.system, plain=sent.system_plain) if sent.system else None,
        messages=tuple(dump_turn(turn) for turn in sent.turns[recorded.first_message :]),
        first_message=recorded.first_message,
        answer=tuple(
            block
            for each in recorded.answer
            if isinstance(block := without_values(dict(each), recorded.placeholders), dict)
        ),
        stop_sequence=None,
        placeholders={},
    )


def _usage(row: UsageRow | None, recorded: Content | None) -> Usage | None:
    if row is None:
        return None
    return Usage(
        input=row.input_tokens,
        output=row.output_tokens,
        cache_read=row.cache_read_tokens,
        cache_write_5m=row.cache_write_5m_tokens,
        cache_write_1h=row.cache_write_1h_tokens,
        reasoning=row.reasoning_tokens,
        service_tier=row.service_tier,
        inference_geo=recorded.inference_geo if recorded else None,
        speed=recorded.speed if recorded else None,
        estimated=row.estimated,
    )
