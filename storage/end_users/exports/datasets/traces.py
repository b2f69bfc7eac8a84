"""What calls left beside their records: findings, usage, and the audit log's entries on the person."""

from typing import LiteralString

from gateway.end_users.records import AuditRecord, Findings, Usage
from storage.end_users.exports.subject import Scan, Source, last_of
from storage.pool import TupleRow

_ENDED: LiteralString = """
select id from inferences
where org_id = %(org)s and end_user_id = %(end_user)s and id > %(after)s and completed_at <= %(until)s order by id
limit %(window)s
"""

# Few calls have many findings, and a call may have very many.
_FINDINGS: LiteralString = f"""
select id, findings from (
  select i.id, f.findings,
    sum(octet_length(f.findings::text)) over (order by i.id rows between unbounded preceding and 1 preceding) as before
  from ({_ENDED}) i left join phi_findings f on f.inference_id = i.id) i
where before is null or before < %(most)s order by id
"""  # noqa: S608 - constants of ours

_USAGE: LiteralString = f"""
select i.id, u.period_start, u.created_at, u.model, u.mode, u.input_tokens, u.output_tokens, u.cache_read_tokens,
  u.cache_write_5m_tokens, u.cache_write_1h_tokens, u.reasoning_tokens, u.service_tier, u.estimated, u.credits,
  u.cost_micro_usd
from ({_ENDED}) i left join usage_records u on u.id = i.id order by i.id
"""  # noqa: S608 - constants of ours

_AUDIT = """
select e.id, e.created_at, e.action, e.entity_type, e.entity_id, e.actor, e.ip_address, e.metadata, e.phi_disposition,
  s.seq, s.hash, s.key_id, s.signature
from (
  select * from audit_entries
  where org_id = %(org)s and subject_id_hmac = %(digest)s and id > %(after)s and created_at <= %(until)s
  order by id limit %(window)s) e
join audit_seals s on s.entry_id = e.id order by e.id
"""


async def read_findings(source: Source, after: str) -> Scan:
    rows = await source.rows(_FINDINGS, after)
    return Scan([(row[0], _findings(*row)) for row in rows if row[1] is not None], last_of(rows))


async def read_usage(source: Source, after: str) -> Scan:
    rows = await source.rows(_USAGE, after)
    return Scan([(row[0], _usage(row)) for row in rows if row[1] is not None], last_of(rows))


async def read_audit(source: Source, after: str) -> Scan:
    """Once they are sealed: `EndUserExportWriting` waits for that."""
    rows = await source.rows(_AUDIT, after)
    return Scan([(row[0], _audit_record(row)) for row in rows], last_of(rows))


def _findings(inference: str, findings: list[object]) -> Findings:
    return {"inference_id": inference, "findings": findings}  # pyright: ignore[reportReturnType] - as they were kept


def _usage(row: TupleRow) -> Usage:
    (
        inference,
        period_start,
        at,
        model,
        mode,
        input_tokens,
        output_tokens,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        reasoning,
        service_tier,
        estimated,
        charged,
        cost_micro_usd,
    ) = row
    return {
        "inference_id": inference,
        "period_start": period_start,
        "at": at,
        "model": model,
        "mode": mode,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_read_tokens": cache_read,
        "cache_write_5m_tokens": cache_write_5m,
        "cache_write_1h_tokens": cache_write_1h,
        "reasoning_tokens": reasoning,
        "service_tier": service_tier,
        "estimated": estimated,
        "credits": charged,
        "cost_micro_usd": cost_micro_usd,
    }


def _audit_record(row: TupleRow) -> AuditRecord:
    entry, at, action, entity_type, entity_id, actor, address, metadata, phi, seq, sealed, key, signature = row
    return {
        "id": entry,
        "at": at,
        "action": action,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "actor": actor,
        "ip_address": address,
        "metadata": metadata,
        "phi_disposition": phi,
        "seq": seq,
        "hash": sealed,
        "key_id": key,
        "signature": signature,
    }
