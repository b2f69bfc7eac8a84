"""Parts of answers that a client refers to in place of sending them again (spec U7).

Nothing is kept for it: an answer's record has them, sealed, for whoever could
read the record. For an hour they may be referred to.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, LiteralString

from gateway.conversation import Block
from gateway.ids import InferenceId
from gateway.inference.call import Surface
from gateway.tenancy import Access
from gateway.transcript import load_block
from storage import content
from storage.content import SealedExchange
from storage.encryption import ContentCipher
from storage.pool import Pool, fetch

LONGEST: Final = timedelta(hours=1)
"""For how long an answer's items may be referred to."""

_ANSWERED: LiteralString = """
select i.id, i.request_content, i.answer_content from inferences i
where i.org_id = %(org)s and i.id = any(%(ids)s) and i.surface = %(surface)s and i.status = 'completed'
  and i.created_at >= %(since)s and i.request_content is not null and i.answer_content is not null
  and (%(agent)s::text is null or i.agent_id = %(agent)s)
  and not exists (select from end_users u where u.id = i.end_user_id and u.state <> 'active')
"""


class AnsweredItems:
    def __init__(self, pool: Pool, cipher: ContentCipher) -> None:
        self._pool = pool
        self._cipher = cipher

    async def of(
        self, access: Access, answers: Sequence[InferenceId], *, now: datetime
    ) -> Mapping[InferenceId, Sequence[Block]]:
        """The blocks of those of `answers` that the caller may still refer to: an agent to its own.

        Raises `UnavailableError` when they could not be looked up or opened.
        """
        delegation = access.principal.delegation
        org = access.principal.org
        named = {
            "org": org,
            "ids": [*answers],
            "surface": Surface.RESPONSES,
            "since": now - LONGEST,
            "agent": delegation.agent if delegation else None,
        }
        rows = [SealedExchange(*row) for row in await fetch(self._pool, _ANSWERED, named)]
        opened = await content.unseal(self._cipher, org, rows)
        return {
            InferenceId(row.inference): [load_block(block) for block in exchange.answer["content"]]
            for row, exchange in zip(rows, opened, strict=True)
            if exchange is not None
        }
