"""What proves one period of an organisation's books: sums made anew, laid beside what the rows say of each other.

Every call of the period is brought together once, by its id: its hold, the sums of its entries by phase, its usage,
and who made it. A call is in the period when any of its entries or usage is, or when its hold is open there.
"""

PERIODS = """
with recursive periods as (
  select %(org)s::text as org_id, %(start)s::timestamptz as period_start, 0 as n
  union all
  -- Each step jumps to the next period in any of three indexes, however many rows the one before has.
  select next.org_id, next.period_start, p.n + 1 from periods p cross join lateral (
    select * from (
      (select org_id, period_start from credit_accounts a
       where (a.org_id, a.period_start) > (p.org_id, p.period_start) order by 1, 2 limit 1)
      union all
      (select org_id, period_start from credit_entries e
       where (e.org_id, e.period_start) > (p.org_id, p.period_start) order by 1, 2 limit 1)
      union all
      (select org_id, period_start from usage_records u
       where (u.org_id, u.period_start) > (p.org_id, p.period_start) order by 1, 2 limit 1)
    ) nearest order by 1, 2 limit 1
  ) next
  where p.n < %(limit)s and (%(only)s::text is null or next.org_id = %(only)s)
)
select p.org_id, p.period_start, a.org_id is null or a.closed_at is null or a.period_end > %(since)s
from periods p left join credit_accounts a
  on a.org_id = p.org_id and a.period_start = p.period_start and a.holder = 'organization'
where p.n > 0 order by p.n
"""
"""Periods after a place, in order, each with whether it is open, ended after `since`, or has no account."""

PURGED_THROUGH = "select max(through) from retention_purges where org_id = %(org)s"
"""The last day whose records retention may have removed."""

PROVE = """
with moved as (
  select id,
    count(*) filter (where phase = 'reserve') as reserves,
    coalesce(sum(amount) filter (where phase = 'reserve'), 0) as reserved,
    coalesce(sum(amount) filter (where phase = 'post'), 0) as posted,
    coalesce(sum(amount) filter (where phase = 'release'), 0) as released,
    coalesce(sum(amount) filter (where phase = 'void'), 0) as voided,
    coalesce(sum(amount) filter (where phase = 'expire'), 0) as expired,
    coalesce(sum(amount) filter (where phase = 'overrun'), 0) as overrun
  from credit_entries
  where org_id = %(org)s and period_start = %(start)s
    and phase in ('reserve', 'post', 'release', 'void', 'expire', 'overrun')
  group by id
),
used as (
  select id, key_id, agent_id, credits from usage_records where org_id = %(org)s and period_start = %(start)s
),
known as (
  select id from moved union select id from used
  union select id from credit_holds where org_id = %(org)s and period_start = %(start)s and state = 'open'
),
calls as materialized (
  select k.id, h.id is not null as is_held, h.holders, h.amount, h.state, coalesce(h.charged, 0) as charged,
    h.expires_at, coalesce(m.reserves, 0) as reserves, coalesce(m.reserved, 0) as reserved,
    coalesce(m.posted, 0) as posted, coalesce(m.released, 0) as released, coalesce(m.voided, 0) as voided,
    coalesce(m.expired, 0) as expired, coalesce(m.overrun, 0) as overrun,
    u.id is not null as is_used, coalesce(u.key_id, u.agent_id) as used_by, u.credits,
    i.id is not null as is_recorded, coalesce(i.key_id, i.agent_id) as made_by,
    coalesce(i.agent_id, u.agent_id) as agent_id,
    -- Which agents handed it on is told by its record alone.
    case when i.credential_id is not null then array(
      select distinct 'agent:' || link.agent_id from agent_credentials link
      where link.id = i.credential_id or link.id = any(i.delegation_path) order by 1 desc) end as agents,
    i.created_at, y.family, (e.metadata ->> 'credits')::bigint as audited
  from known k
  left join credit_holds h on h.id = k.id and h.org_id = %(org)s and h.period_start = %(start)s
  left join moved m on m.id = k.id
  left join used u on u.id = k.id
  left join inferences i on i.id = k.id
  left join audit_entries e on e.id = i.audit_entry_id and e.org_id = %(org)s
  left join api_keys y on y.id = coalesce(i.key_id, u.key_id) and y.org_id = %(org)s
),
accounts as (
  select * from credit_accounts where org_id = %(org)s and period_start = %(start)s
),
period as (select * from accounts where holder = 'organization'),
shares as (
  select holder, sum(amount) filter (where state = 'open') as pending, sum(charged) as posted,
    sum(overrun) as overrun, sum(credits) as used
  from calls cross join unnest(holders) as holder group by holder
),
sides as (
  select
    sum(case 'available' when credit then amount when debit then -amount else 0 end) as available,
    sum(case 'held' when credit then amount when debit then -amount else 0 end) as held,
    sum(amount) filter (where credit = 'spent') as spent,
    sum(amount) filter (where phase = 'overrun') as overrun,
    sum(amount) filter (where phase = 'withdraw') as withdrawn,
    sum(case phase when 'grant' then amount when 'withdraw' then -amount else 0 end) as issued,
    sum(amount) filter (where phase = 'carry_in') as carried
  from credit_entries where org_id = %(org)s and period_start = %(start)s
),
handed_on as (
  -- What the period before handed on is what this one was given.
  select coalesce(o.amount, 0) as carried
  from period p join credit_accounts b on b.org_id = p.org_id and b.holder = p.holder and b.period_end <= p.period_start
  left join credit_entries o on o.phase = 'carry_out'
    and o.id = b.org_id || ':' || to_char(b.period_start at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  order by b.period_start desc limit 1
),
of_calls as (
  select f.name, count(*) as count, min(c.id) as example
  from calls c left join period p on true cross join lateral (values
    ('call_without_hold', not c.is_held),
    ('call_without_record', c.is_held and not c.is_recorded and c.id >= %(kept_from)s),
    ('entries_of_call', c.is_held and not (
      c.reserves = 1 and c.reserved = c.amount and case c.state
        when 'open' then c.posted + c.released + c.voided + c.expired + c.overrun = 0
        when 'voided' then c.voided + c.expired = c.amount and c.posted + c.released + c.overrun = 0
        when 'expired' then c.expired = c.amount and c.posted + c.released + c.voided + c.overrun = 0
        else c.posted + c.overrun = c.charged and c.posted + c.released + c.expired = c.amount and c.voided = 0
          and c.posted = case when c.expired > 0 then 0 else least(c.charged, c.amount) end
      end)),
    ('charge_without_settlement', c.is_held and c.state <> 'settled' and c.charged <> 0),
    ('settled_without_usage', c.is_held and c.state = 'settled' and not c.is_used),
    ('usage_without_settlement', c.is_held and c.state <> 'settled' and c.is_used),
    ('usage_differs', c.is_held and c.is_used
      and (c.credits <> c.charged or (c.is_recorded and c.used_by is distinct from c.made_by))),
    ('audit_differs', c.is_held and c.audited <> c.charged),
    ('holders_of_call', c.is_held and (c.is_recorded or c.is_used)
      and case when c.agent_id is null or c.is_recorded
        then c.holders is distinct from array_remove(array['organization', 'key:' || c.family], null)
          || coalesce(c.agents, '{}')
        else not c.holders @> array['organization', 'agent:' || c.agent_id] end),
    ('hold_overdue', c.is_held and c.state = 'open' and c.expires_at < %(overdue)s),
    ('call_outside_period', c.is_recorded and not (c.created_at >= %(start)s and c.created_at < p.period_end))
  ) as f(name, is_so)
  where f.is_so group by f.name
),
of_accounts as (
  select b.name, a.holder, b.recorded, b.proven
  from accounts a left join shares s on s.holder = a.holder cross join sides t cross join lateral (values
    ('pending_and_holds', a.pending::numeric, coalesce(s.pending, 0), true),
    ('posted_and_charges', a.posted, coalesce(s.posted, 0), true),
    ('posted_and_usage', a.posted, coalesce(s.used, 0), true),
    ('overrun_and_calls', a.overrun, coalesce(s.overrun, 0), true),
    ('pending_and_entries', a.pending, coalesce(t.held, 0), a.holder = 'organization'),
    ('posted_and_entries', a.posted, coalesce(t.spent, 0), a.holder = 'organization'),
    ('overrun_and_entries', a.overrun, coalesce(t.overrun, 0), a.holder = 'organization'),
    ('allotment_and_entries', a.allotment, coalesce(t.issued, 0), a.holder = 'organization'),
    ('carried_and_entries', a.carried, coalesce(t.carried, 0), a.holder = 'organization'),
    ('carried_and_handed_on', a.carried, coalesce((select carried from handed_on), 0), a.holder = 'organization')
  ) as b(name, recorded, proven, applies)
  where b.applies and b.recorded <> b.proven
),
of_limits as (
  -- A cap may be lowered below what was spent: it proves something only while it is what it was. Clocks of processes
  -- differ, and one that is ahead has opened the period while another still dates changes before it.
  select 'spend_cap' as name, a.holder, (a.spend_cap + a.overrun)::numeric as recorded,
    (a.posted + a.pending)::numeric as proven
  from accounts a where a.posted + a.pending > a.spend_cap + a.overrun
    and not exists (
      select from audit_entries e where e.org_id = a.org_id and e.created_at >= a.period_start - interval '1 hour'
        and (a.holder = 'organization' and e.entity_id = a.org_id and e.action in ('budget.updated', 'policy.updated')
          or a.holder = 'agent:' || e.entity_id and e.action = 'agent.updated'
          or a.holder <> 'organization' and e.action = 'api_key.updated' and e.entity_id in (
            select y.id from api_keys y where y.org_id = a.org_id and 'key:' || y.family = a.holder)))
  union all
  select 'available', a.holder, -coalesce(t.overrun, 0) - coalesce(t.withdrawn, 0), t.available
  from period a cross join sides t where t.available < -coalesce(t.overrun, 0) - coalesce(t.withdrawn, 0)
  union all
  select 'closed_with_credits_left', a.holder, 0, greatest(t.available, t.held)
  from period a cross join sides t where a.closed_at is not null and (t.available > 0 or t.held > 0)
),
of_periods as (
  select 'account_missing' as name, s.holder as holder from shares s
  where not exists (select from accounts a where a.holder = s.holder)
  union
  select 'account_missing', 'organization' where not exists (select from period)
  union all
  select 'account_of_other_length', a.holder from accounts a cross join period p where a.period_end <> p.period_end
  union all
  select 'periods_overlap', p.holder from period p
  where exists (select from credit_accounts o where o.org_id = p.org_id and o.holder = p.holder
    and o.period_start <> p.period_start and o.period_start < p.period_end and o.period_end > p.period_start)
)
select name, null as holder, count, example, null::bigint as recorded, null::bigint as proven from of_calls
union all select name, holder, 1, null, recorded::bigint, proven::bigint from of_accounts
union all select name, holder, 1, null, recorded::bigint, proven::bigint from of_limits
union all select name, holder, 1, null, null, null from of_periods
order by 1, 2
"""
"""What does not agree in one period; no row when all does."""
