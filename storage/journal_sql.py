"""The three statements of the hot path. Each takes a JSON array of rows and is one transaction by itself.

Rows that exist are found by `= any(array(...))`: joined to a set of unknown
size, a plan made while a table was small would go on scanning all of it.
"""

from typing import LiteralString


def _compact(statement: LiteralString) -> LiteralString:
    """`statement` without comments and indentation: psycopg parses longer ones than 4,096 characters on every call."""
    lines: list[LiteralString] = [line.strip() for line in statement.splitlines()]
    kept: list[LiteralString] = [line for line in lines if not line.startswith("--")]
    return " ".join(kept)


OPEN = """
with wanted as (
  select * from jsonb_to_recordset(%(rows)s) as w(
    id text, org_id text, period_start timestamptz, amount bigint, expires_at timestamptz, key_id text,
    surface text, model text, mode text, streamed boolean, stored boolean, conversation_id text,
    created_at timestamptz)
),
-- A group whose commit was acknowledged to nobody is sent again: what it wrote must count once.
known as (select id from credit_holds where id = any(array(select id from wanted))),
fresh as (select * from wanted w where w.id not in (select id from known)),
asked as (select org_id, period_start, sum(amount) as amount from fresh group by org_id, period_start),
locked as (
  select a.org_id, a.period_start from credit_accounts a join asked using (org_id, period_start)
  order by a.org_id, a.period_start for update of a
),
admitted as (
  update credit_accounts a set pending = a.pending + asked.amount
  from asked join locked using (org_id, period_start)
  where a.org_id = asked.org_id and a.period_start = asked.period_start
    and a.posted + a.pending + asked.amount <= least(a.allotment, coalesce(a.spend_cap, a.allotment))
  returning a.org_id, a.period_start
),
held as (
  insert into credit_holds (id, org_id, period_start, amount, expires_at)
  select f.id, f.org_id, f.period_start, f.amount, f.expires_at from fresh f join admitted using (org_id, period_start)
  returning id
),
shells as (
  insert into inferences (id, org_id, key_id, surface, model, mode, streamed, stored, conversation_id, created_at)
  select f.id, f.org_id, f.key_id, f.surface, f.model, f.mode, f.streamed, f.stored, f.conversation_id, f.created_at
  from fresh f join admitted using (org_id, period_start)
)
select id from held union all select id from known
"""

CLOSE = _compact("""
with done as (
  select d.*, c.request_content, c.answer_content
  from jsonb_to_recordset(%(rows)s) as d(
    place int, id text, hold_state text, charge bigint, at timestamptz, status text, model text, stop_reason text,
    error_code text, phi_mode text, phi_action text, entity_types text[], redaction_count int, seals text[],
    usage jsonb,
    findings jsonb, events jsonb, audit jsonb)
  join unnest(%(requests)s::bytea[], %(answers)s::bytea[]) with ordinality
    as c(request_content, answer_content, place) using (place)
),
-- Locked first, so that a sweep cannot expire a hold between our look and our change.
prior as (
  select h.id, h.org_id, h.period_start, case when h.state = 'open' then h.amount else 0 end as released
  from credit_holds h
  where h.id = any(array(select id from done)) and h.state in ('open', 'expired') order by h.id for update
),
released as (
  update credit_holds h set state = done.hold_state, charged = done.charge, closed_at = done.at
  from done, prior where h.id = done.id and prior.id = done.id
),
totals as (
  select org_id, period_start, sum(released) as released, sum(charge) as charge
  from prior join done using (id) group by org_id, period_start
),
locked as (
  select a.org_id, a.period_start from credit_accounts a join totals using (org_id, period_start)
  order by a.org_id, a.period_start for update of a
),
posted as (
  update credit_accounts a set pending = a.pending - t.released, posted = a.posted + t.charge
  from totals t join locked using (org_id, period_start)
  where a.org_id = t.org_id and a.period_start = t.period_start
),
recorded as (
  update inferences i set status = done.status, model = done.model, completed_at = done.at,
    stop_reason = done.stop_reason,
    error_code = done.error_code, phi_mode = done.phi_mode, phi_action = done.phi_action,
    entity_types = done.entity_types, redaction_count = done.redaction_count,
    seals = done.seals,
    request_content = done.request_content, answer_content = done.answer_content,
    audit_entry_id = done.audit ->> 'id'
  from done, prior where i.id = done.id and prior.id = done.id
),
used as (
  insert into usage_records (id, org_id, period_start, key_id, model, mode, created_at, input_tokens, output_tokens,
    cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, reasoning_tokens, service_tier, estimated,
    credits, cost_micro_usd)
  select done.id, prior.org_id, prior.period_start, u.key_id, u.model, u.mode, done.at, u.input_tokens,
    u.output_tokens, u.cache_read_tokens, u.cache_write_5m_tokens, u.cache_write_1h_tokens, u.reasoning_tokens,
    u.service_tier, u.estimated, done.charge, u.cost_micro_usd
  from done join prior on prior.id = done.id
  cross join lateral jsonb_to_record(done.usage) as u(key_id text, model text, mode text, input_tokens bigint,
    output_tokens bigint, cache_read_tokens bigint, cache_write_5m_tokens bigint, cache_write_1h_tokens bigint,
    reasoning_tokens bigint, service_tier text, estimated boolean, cost_micro_usd bigint)
  where done.usage is not null
),
found as (
  insert into phi_findings (inference_id, org_id, findings)
  select done.id, prior.org_id, done.findings from done join prior on prior.id = done.id
  where jsonb_array_length(done.findings) > 0
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, ip_address, metadata, phi_disposition,
    created_at)
  select a.id, prior.org_id, a.action, 'inference', done.id, a.actor, a.ip_address, a.metadata, a.phi_disposition,
    done.at
  from done join prior on prior.id = done.id
  cross join lateral jsonb_to_record(done.audit) as a(id text, action text, actor text, ip_address text,
    metadata jsonb, phi_disposition text)
  returning id
),
to_seal as (insert into audit_pending (entry_id) select id from audited),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select e.id, prior.org_id, e.type, e.data, done.at
  from done join prior on prior.id = done.id
  cross join lateral jsonb_to_recordset(done.events) as e(id text, type text, data jsonb)
)
select id from prior
""")

REFUSE = """
with refused as (
  select * from jsonb_to_recordset(%(rows)s) as r(
    id text, org_id text, action text, entity_type text, entity_id text, actor text, ip_address text,
    metadata jsonb, phi_disposition text, created_at timestamptz, events jsonb)
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, ip_address, metadata,
    phi_disposition, created_at)
  select id, org_id, action, entity_type, entity_id, actor, ip_address, metadata, phi_disposition, created_at
  from refused on conflict (id) do nothing returning id
),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select e.id, r.org_id, e.type, e.data, r.created_at
  from refused r join audited using (id)
  cross join lateral jsonb_to_recordset(r.events) as e(id text, type text, data jsonb)
)
insert into audit_pending (entry_id) select id from audited returning entry_id
"""

OPEN_ACCOUNTS = """
insert into credit_accounts (org_id, period_start, period_end, allotment, spend_cap)
select o.id, %(start)s, %(end)s, o.credits_allotment, o.spend_cap from organizations o where o.id = any(%(orgs)s)
-- A cap that is being changed is waited for: its change would not see the account that this makes.
order by o.id for share
on conflict do nothing
"""

HISTORY = """
select id, request_content, answer_content from inferences
where org_id = %(org)s and conversation_id = %(thread)s and status = 'completed' order by id
"""

SEALED = """
select id, request_content, answer_content from inferences
where org_id = %(org)s and seals && %(seals)s::text[] and request_content is not null and answer_content is not null
order by id desc limit 1
"""

HAS_THREAD = """
select 1 from inferences where org_id = %(org)s and conversation_id = %(thread)s limit 1
"""

ROOMS = """
select a.org_id, least(a.allotment, coalesce(a.spend_cap, a.allotment)) - a.posted - a.pending,
       coalesce(a.spend_cap < a.allotment, false)
from unnest(%(orgs)s::text[], %(starts)s::timestamptz[]) as o(org_id, period_start)
join credit_accounts a using (org_id, period_start)
"""
