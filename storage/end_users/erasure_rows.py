"""Rows of erasures, as the rest of the code has them."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from gateway.end_users.classes import RULES
from gateway.end_users.erasure import Erasure, ErasureState, Reason, Scan
from gateway.ids import EndUserId, ErasureId, OrganizationId
from storage.tables import EndUserErasureRow


def erasure_of(row: EndUserErasureRow) -> Erasure:
    counts = {kind: int(str(row.counts[kind])) for kind in RULES if kind in row.counts}
    return Erasure(
        id=ErasureId(row.id),
        org=OrganizationId(row.org_id),
        end_user=EndUserId(row.end_user_id),
        digest=row.digest,
        state=ErasureState(row.state),
        reasons=tuple(map(Reason, row.reasons)),
        counts=counts,
        reference=row.reference,
        requested_at=row.requested_at,
        requested_by=row.requested_by,
        due_at=row.due_at,
        restricted_at=row.restricted_at,
        shredded_at=row.shredded_at,
        keys_gone_on=row.keys_gone_on,
        scan=None if row.scan is None else _scan(row.scan),
        finished_at=row.finished_at,
        has_document=row.certificate_pdf is not None,
    )


def _scan(kept: Mapping[str, JsonValue]) -> Scan:
    def counted(name: str) -> dict[str, int]:
        found = kept[name]
        return {table: int(str(count)) for table, count in found.items()} if isinstance(found, dict) else {}

    return Scan(datetime.fromisoformat(str(kept["at"])), examined=counted("examined"), found=counted("found"))
