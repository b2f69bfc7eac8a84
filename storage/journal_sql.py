"""The three statements of the hot path. Each takes a JSON array of rows and is one transaction by itself.

Rows that exist are found by `= any(array(...))`: joined to a set of unknown
size, a plan made while a table was small would go on scanning all of it.
"""

from typing import LiteralString

from storage.budget_alerts import REACHED


def _compact(statement: LiteralString) -> LiteralString:
    """`statement` without comments and indentation: psycopg parses what is longer than 4,096 characters each time anew,
    some 15 us a group.
    """
    lines: list[LiteralString] = [line.strip() for line in statement.splitlines()]
    kept: list[LiteralString] = [line for line in lines if not line.startswith("--")]
    return " ".join(kept)


OPEN = _compact("""
with wanted as (
  select * from jsonb_to_recordset(%(rows)s) as w(
    id text, org_id text, period_start timestamptz, holders text[], amount bigint, expires_at timestamptz, key_id text,
    surface text, model text, mode text, streamed boolean, stored boolean, conversation_id text,
    created_at timestamptz, agent_id text, credential_id text, delegation_path text[], delegating_user text,
    end_user_id text)
),
-- A group whose commit was acknowledged to nobody is sent again: what it wrote must count once.
known as (select id from credit_holds where id = any(array(select id from wanted))),
-- Whoever slept since it found whom a call names would leave something of somebody who is erased.
erased as (
  select id from end_users where id = any(array(select end_user_id from wanted)) and state = 'erased'
),
fresh as (
  select * from wanted w where w.id not in (select id from known)
    and (w.end_user_id is null or w.end_user_id not in (select id from erased))
),
asked as (
  select org_id, period_start, holder, sum(amount) as amount from fresh cross join unnest(holders) as holder
  group by 1, 2, 3
),
-- Everybody who locks accounts does it in this order: an organisation's own before those of its keys.
locked as (
  select a.org_id, a.period_start, a.holder, a.closed_at is null and coalesce(
    a.posted + a.pending + asked.amount <= least(a.allotment + a.carried, a.spend_cap), true) as fits
  from credit_accounts a join asked using (org_id, period_start, holder)
  order by a.org_id, a.period_start, a.holder desc for update of a
),
admitted as (
  select f.* from fresh f where cardinality(f.holders) = (
    select count(*) from locked l
    where l.org_id = f.org_id and l.period_start = f.period_start and l.holder = any(f.holders) and l.fits)
),
taken as (
  select org_id, period_start, holder, sum(amount) as amount from admitted cross join unnest(holders) as holder
  group by 1, 2, 3
),
booked as (
  update credit_accounts a set pending = a.pending + t.amount from taken t
  where a.org_id = t.org_id and a.period_start = t.period_start and a.holder = t.holder
),
held as (
  insert into credit_holds (id, org_id, period_start, holders, amount, expires_at)
  select id, org_id, period_start, holders, amount, expires_at from admitted
  returning id
),
entered as (
  insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)
  select id, 'reserve', org_id, period_start, 'available', 'held', amount, created_at from admitted
),
shells as (
  insert into inferences (id, org_id, key_id, surface, model, mode, streamed, stored, conversation_id, created_at,
    agent_id, credential_id, delegation_path, delegating_user, end_user_id)
  select id, org_id, key_id, surface, model, mode, streamed, stored, conversation_id, created_at, agent_id,
    credential_id, delegation_path, delegating_user, end_user_id from admitted
)
select id from held union all select id from known
""")

_CLOSING = _compact(
    """
with done as (
  select d.*, c.request_content, c.answer_content
  from jsonb_to_recordset(%(rows)s) as d(
    place int, id text, hold_state text, charge bigint, at timestamptz, status text, model text, stop_reason text,
    error_code text, phi_mode text, phi_action text, entity_types text[], redaction_count int, seals text[],
    usage jsonb, findings jsonb, events jsonb, audit jsonb)
  join unnest(%(requests)s::bytea[], %(answers)s::bytea[]) with ordinality
    as c(request_content, answer_content, place) using (place)
),
-- Locked first, so that a sweep cannot expire a hold between our look and our change.
prior as (
  select h.id, h.org_id, h.period_start, h.holders, case when h.state = 'open' then h.amount else 0 end as held
  from credit_holds h
  where h.id = any(array(select id from done)) and h.state in ('open', 'expired') order by h.id for update
),
moves as (
  select p.*, d.hold_state, d.charge, d.at, least(d.charge, p.held) as posted,
    greatest(d.charge - p.held, 0) as overrun
  from prior p join done d using (id)
),
freed as (
  update credit_holds h set state = m.hold_state, charged = m.charge, closed_at = m.at from moves m where h.id = m.id
),
entered as (
  insert into credit_entries (id, phase, org_id, period_start, debit, credit, amount, created_at)
  select m.id, e.phase, m.org_id, m.period_start, e.debit, e.credit, e.amount, m.at
  from moves m cross join lateral (values
    ('post', 'held', 'spent', m.posted), ('overrun', 'available', 'spent', m.overrun),
    (case m.hold_state when 'settled' then 'release' when 'voided' then 'void' else 'expire' end,
     'held', 'available', m.held - m.posted)) as e(phase, debit, credit, amount)
  where e.amount > 0
),
totals as (
  select org_id, period_start, holder, sum(held) as held, sum(charge) as charge, sum(overrun) as overrun,
    min(id) as call_id, max(at) as at
  from moves cross join unnest(holders) as holder group by 1, 2, 3
),
locked as (
  select a.org_id, a.period_start, a.holder from credit_accounts a join totals using (org_id, period_start, holder)
  order by a.org_id, a.period_start, a.holder desc for update of a
),
booked as (
  update credit_accounts a
  set pending = a.pending - t.held, posted = a.posted + t.charge, overrun = a.overrun + t.overrun
  from totals t join locked using (org_id, period_start, holder)
  where a.org_id = t.org_id and a.period_start = t.period_start and a.holder = t.holder
  returning a.org_id, a.period_start, a.period_end, a.holder, a.posted, a.spend_cap < a.allotment + a.carried as capped,
    least(a.allotment + a.carried, a.spend_cap) as room, a.alert_thresholds, t.call_id, t.at
),
-- What an account has reached that its organisation wants to be told of. Each kind is told of once a period.
reached as (
  select a.*, k.kind, k.threshold from booked a cross join lateral ("""  # noqa: S608 - joins constants
    + REACHED
    + """) k
  where a.posted > 0 and a.room is not null
),
alerted as (
  insert into budget_alerts (org_id, period_start, kind, created_at)
  select org_id, period_start, kind, at from reached order by org_id, kind
  on conflict do nothing returning org_id, period_start, kind
),
warned as (
  insert into outbox (id, org_id, type, data, created_at)
  -- Of the call's time and of what is told: ids made in one millisecond follow one another, and leave none to spare.
  select left(r.call_id, 10) || lpad(coalesce(r.threshold, 999)::text, 3, '0') || upper(left(encode(sha256(
      convert_to(r.org_id || r.period_start || r.kind, 'UTF8')), 'hex'), 13)), r.org_id,
    case when r.threshold is null then 'credits.exhausted' else 'budget.threshold_reached' end,
    jsonb_strip_nulls(jsonb_build_object('threshold', r.threshold, 'used', r.posted, 'limit', r.room,
      'period_start', r.period_start, 'period_end', r.period_end, 'key_id', substring(r.holder from '^key:(.*)'),
      'agent_id', substring(r.holder from '^agent:(.*)'), 'reason', case when r.threshold is null then
        case when r.holder <> 'organization' then split_part(r.holder, ':', 1) || '_cap'
          when r.capped then 'spend_cap' else 'allotment' end end)),
    r.at
  from reached r join alerted using (org_id, period_start, kind)
),
recorded as (
  update inferences i set status = done.status, model = done.model, completed_at = done.at,
    stop_reason = done.stop_reason, error_code = done.error_code, phi_mode = done.phi_mode,
    phi_action = done.phi_action, entity_types = done.entity_types, redaction_count = done.redaction_count,
    seals = done.seals, request_content = done.request_content, answer_content = done.answer_content,
    audit_entry_id = done.audit ->> 'id'
  from done, prior where i.id = done.id and prior.id = done.id
),
used as (
  insert into usage_records (id, org_id, period_start, key_id, model, mode, created_at, input_tokens, output_tokens,
    cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, reasoning_tokens, service_tier, estimated,
    credits, cost_micro_usd, agent_id)
  select done.id, prior.org_id, prior.period_start, u.key_id, u.model, u.mode, done.at, u.input_tokens,
    u.output_tokens, u.cache_read_tokens, u.cache_write_5m_tokens, u.cache_write_1h_tokens, u.reasoning_tokens,
    u.service_tier, u.estimated, done.charge, u.cost_micro_usd, u.agent_id
  from done join prior on prior.id = done.id
  cross join lateral jsonb_to_record(done.usage) as u(key_id text, model text, mode text, input_tokens bigint,
    output_tokens bigint, cache_read_tokens bigint, cache_write_5m_tokens bigint, cache_write_1h_tokens bigint,
    reasoning_tokens bigint, service_tier text, estimated boolean, cost_micro_usd bigint,
    agent_id text)
  where done.usage is not null
),
found as (
  insert into phi_findings (inference_id, org_id, findings)
  select done.id, prior.org_id, done.findings from done join prior on prior.id = done.id
  where jsonb_array_length(done.findings) > 0
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, ip_address, metadata, phi_disposition,
    created_at, subject_type, subject_id_hmac)
  select a.id, m.org_id, a.action, 'inference', done.id, a.actor, a.ip_address,
    a.metadata || case when m.overrun > 0 then jsonb_build_object('overrun', m.overrun,
      'compliance_events', a.metadata -> 'compliance_events' || '["credits.overrun"]') else '{}' end,
    a.phi_disposition, done.at, case when a.subject is not null then 'end_user' end, a.subject
  from done join moves m using (id)
  cross join lateral jsonb_to_record(done.audit) as a(id text, action text, actor text, ip_address text,
    metadata jsonb, phi_disposition text, subject text)
  returning id
),
to_seal as (insert into audit_pending (entry_id) select id from audited),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select e.id, prior.org_id, e.type, e.data, done.at
  from done join prior on prior.id = done.id
  cross join lateral jsonb_to_recordset(done.events) as e(id text, type text, data jsonb)
),
overran as (
  insert into outbox (id, org_id, type, data, created_at)
  select left(m.id, 10) || upper(left(encode(sha256(convert_to(m.id || 'overrun', 'UTF8')), 'hex'), 16)), m.org_id,
    'credits.overrun', jsonb_strip_nulls(jsonb_build_object('request_id', 'req_' || m.id,
      'key_id', done.usage ->> 'key_id', 'agent_id', done.usage ->> 'agent_id', 'held', m.held,
      'charged', m.charge)), m.at
  from moves m join done using (id) where m.overrun > 0
)
"""
)

_CLOSED = _compact("""
select id, org_id, hold_state as state, overrun from moves
union all
-- Settled before: by this very statement, or otherwise.
select h.id, h.org_id, h.state, 0 from credit_holds h
where h.id = any(array(select id from done)) and h.id not in (select id from prior)
""")

CLOSE: LiteralString = f"{_CLOSING} {_CLOSED}"

# Of agents' calls: whatever the record came to, their places are free. What tools a model used counts for every
# credential of the chain.
_OF_AGENTS = _compact("""
returned as (delete from agent_invocations where id = any(array(select id from done))),
counted as (
  insert into agent_tool_uses as t (credential_id, tool_id, hour, org_id, count)
  select credential_id, u.key, date_trunc('hour', done.at, 'UTC'), prior.org_id, sum(u.value::int)
  from done join prior on prior.id = done.id
  cross join jsonb_array_elements_text(done.usage -> 'chain') as credential_id
  cross join jsonb_each_text(done.usage -> 'tools') as u
  where done.usage ? 'chain'
  group by 1, 2, 3, 4 order by 1, 2, 3
  on conflict (credential_id, tool_id, hour) do update set count = t.count + excluded.count
)
""")

CLOSE_INVOCATIONS: LiteralString = f"{_CLOSING}, {_OF_AGENTS} {_CLOSED}"

REFUSE = _compact("""
with refused as (
  select * from jsonb_to_recordset(%(rows)s) as r(
    id text, org_id text, action text, entity_type text, entity_id text, actor text, ip_address text,
    metadata jsonb, phi_disposition text, created_at timestamptz, exhausted jsonb, subject text)
),
audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, ip_address, metadata,
    phi_disposition, created_at, subject_type, subject_id_hmac)
  select id, org_id, action, entity_type, entity_id, actor, ip_address, metadata, phi_disposition, created_at,
    case when subject is not null then 'end_user' end, subject
  from refused on conflict (id) do nothing returning id
),
repeated as (
  select * from jsonb_to_recordset(%(counts)s) as c(
    minute timestamptz, digest text, org_id text, facts jsonb, count bigint, first_at timestamptz, last_at timestamptz)
),
counted as (
  insert into refusal_counts as c (minute, digest, counter, org_id, facts, count, first_at, last_at, batch)
  select minute, digest, %(counter)s, org_id, facts, count, first_at, last_at, %(batch)s from repeated
  on conflict (minute, digest, counter) do update set count = c.count + excluded.count,
    first_at = least(c.first_at, excluded.first_at), last_at = greatest(c.last_at, excluded.last_at),
    batch = excluded.batch
  -- Each counter sends one batch at a time: a batch that comes again is the last one there was.
  where c.batch <> excluded.batch
),
exhausted as (
  select distinct on (r.org_id, e.period_start, e.kind) r.org_id, r.created_at, e.*
  from refused r cross join lateral jsonb_to_record(r.exhausted) as e(
    event_id text, kind text, period_start timestamptz, data jsonb)
  where r.exhausted is not null order by r.org_id, e.period_start, e.kind
),
alerted as (
  insert into budget_alerts (org_id, period_start, kind, created_at)
  select org_id, period_start, kind, created_at from exhausted order by org_id, kind
  on conflict do nothing returning org_id, period_start, kind
),
warned as (
  insert into outbox (id, org_id, type, data, created_at)
  select event_id, org_id, 'credits.exhausted', data, created_at
  from exhausted join alerted using (org_id, period_start, kind)
)
insert into audit_pending (entry_id) select id from audited returning entry_id
""")

ERASED = """
select id from end_users where id = any(%(ids)s) and state = 'erased'
"""

STATES = """
select id, state from credit_holds where id = any(%(ids)s)
"""

_READABLE: LiteralString = """
not exists (select from end_users u where u.id = i.end_user_id and u.state <> 'active')
"""
"""Of somebody who is being erased nothing is read any more."""

HISTORY: LiteralString = f"""
select i.id, i.request_content, i.answer_content from inferences i
where i.org_id = %(org)s and i.conversation_id = %(thread)s and i.status = 'completed'
  and (%(agent)s::text is null or i.agent_id = %(agent)s) and {_READABLE} order by i.id
"""  # noqa: S608 - constants of ours

SEALED: LiteralString = f"""
select i.id, i.request_content, i.answer_content from inferences i
where i.org_id = %(org)s and i.seals && %(seals)s::text[]
  and i.request_content is not null and i.answer_content is not null
  and (%(agent)s::text is null or i.agent_id = %(agent)s) and {_READABLE}
order by i.id desc limit 1
"""  # noqa: S608 - constants of ours

HAS_THREAD = """
select 1 from inferences where org_id = %(org)s and conversation_id = %(thread)s
  and (%(agent)s::text is null or agent_id = %(agent)s) limit 1
"""

ROOMS = """
select a.org_id, a.period_start, a.holder, a.period_end, a.closed_at is not null,
       least(a.allotment + a.carried, a.spend_cap) - a.posted - a.pending,
       coalesce(a.spend_cap < a.allotment + a.carried, false)
from jsonb_to_recordset(%(accounts)s) as o(org_id text, period_start timestamptz, holder text)
join credit_accounts a using (org_id, period_start, holder)
"""
