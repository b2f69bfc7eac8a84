"""What came of a run so far: the records of the calls that it became, put together again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.completion import AnswerBlock, Usage
from gateway.conversation import Text, ToolUse
from gateway.errors import UnavailableError
from gateway.harness.events import Round, ToolUsed
from gateway.harness.run import MOST_ROUNDS
from gateway.harness.tries import round_tries, use_tries
from gateway.ids import InferenceId, OrganizationId
from gateway.inference.call import Status
from gateway.transcript import load_block
from storage.content import answer_place
from storage.encryption import ContentCipher, SealedValueError
from storage.tables import InferenceRow, UsageRow

_Found = tuple[InferenceRow, UsageRow | None]


@dataclass(frozen=True, slots=True)
class SaidSoFar:
    text: str = field(repr=False)
    stop_reason: str | None
    rounds: tuple[Round, ...]
    uses: tuple[ToolUsed, ...]


async def said_of(session: AsyncSession, cipher: ContentCipher, org: OrganizationId, run: str) -> SaidSoFar:
    """Raises `UnavailableError` for content that does not open; what was destroyed is left out."""
    tries = [round_tries(run, number) for number in range(MOST_ROUNDS)]
    found = await _records(session, org, [each for group in tries for each in group])
    answered = [row for group in tries if (row := _settled(group, found)) is not None]
    blocks = await _opened(cipher, org, [row for row, _ in answered])
    texts: list[str] = []
    wanted: list[Sequence[InferenceId]] = []
    for (row, _), said in zip(answered, blocks, strict=True):
        texts.append("".join(block.text for block in said if isinstance(block, Text)))
        asked = [block for block in said if isinstance(block, ToolUse)]
        wanted += [use_tries(row.id, number) for number in range(len(asked))]
    used = await _records(session, org, [each for group in wanted for each in group])
    return SaidSoFar(
        text="\n\n".join(filter(None, texts)),
        stop_reason=answered[-1][0].stop_reason if answered else None,
        rounds=tuple(_round(*each) for each in answered),
        uses=tuple(_use(*each) for group in wanted if (each := _ended(group, used)) is not None),
    )


async def _records(session: AsyncSession, org: OrganizationId, ids: Sequence[InferenceId]) -> Mapping[str, _Found]:
    if not ids:
        return {}
    query = (
        select(InferenceRow, UsageRow)
        .join(UsageRow, UsageRow.id == InferenceRow.id, isouter=True)
        .where(InferenceRow.org_id == org, InferenceRow.id.in_(ids))
    )
    return {row.id: (row, usage) for row, usage in await session.execute(query)}


def _settled(tries: Sequence[InferenceId], found: Mapping[str, _Found]) -> _Found | None:
    """The try that was answered."""
    there = (found[each] for each in tries if each in found)
    return next((each for each in there if each[0].status == Status.COMPLETED), None)


def _ended(tries: Sequence[InferenceId], found: Mapping[str, _Found]) -> _Found | None:
    """The try that was answered, or kept from leaving."""
    there = (found[each] for each in tries if each in found)
    return next((each for each in there if each[0].status in (Status.COMPLETED, Status.BLOCKED)), None)


async def _opened(
    cipher: ContentCipher, org: OrganizationId, rows: Sequence[InferenceRow]
) -> Sequence[Sequence[AnswerBlock]]:
    kept = [(answer_place(row.id), row.answer_content) for row in rows if row.answer_content is not None]
    try:
        opened = await cipher.open_all(org, kept)
    except SealedValueError:
        raise UnavailableError("The run could not be opened.") from None
    by_place = dict(zip((place for place, _ in kept), opened, strict=True))
    answers = [by_place.get(answer_place(row.id)) for row in rows]
    return [[load_block(block) for block in orjson.loads(each)["content"]] if each else [] for each in answers]  # pyright: ignore[reportReturnType] - blocks of answers


def _round(row: InferenceRow, usage: UsageRow | None) -> Round:
    used = Usage()
    if usage is not None:
        used = Usage(
            input=usage.input_tokens,
            output=usage.output_tokens,
            cache_read=usage.cache_read_tokens,
            cache_write_5m=usage.cache_write_5m_tokens,
            cache_write_1h=usage.cache_write_1h_tokens,
            reasoning=usage.reasoning_tokens,
        )
    return Round(
        InferenceId(row.id),
        row.model,
        used,
        usage.credits if usage else 0,
        usage.cost_micro_usd if usage else None,
    )


def _use(row: InferenceRow, usage: UsageRow | None) -> ToolUsed:
    return ToolUsed(InferenceId(row.id), row.model.removeprefix("tool:"), row.status, usage.credits if usage else 0)
