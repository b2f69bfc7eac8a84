"""The statements of retention: what organisations keep, and what takes it away in small transactions.

Where the first rows of an organisation are asked for, `between` and the order say which index: for an equality the
planner may walk through the rows of all organisations, oldest first.
"""

LOCK = "select 1 from organizations where id = %(org)s for no key update"
"""Whoever changes a policy or an agreement holds the same lock: neither comes between a look and a destruction."""

# `closed_from`: a terminated agreement was the last, and whoever could read records after it no longer can.
KEPT = """
select o.id, o.retention_days, o.legal_hold, o.retention_floor_days, o.retention_floor_until, o.hold_until,
  case when g.was_terminated and not g.is_open then g.readable_until end,
  (select k.day from content_keys k
   where k.org_id between o.id and o.id and k.destroyed_at is null order by k.org_id, k.day limit 1),
  (select i.id from inferences i
   where i.org_id between o.id and o.id and i.status <> 'in_progress' order by i.org_id, i.id limit 1),
  p.through, p.reason, o.phi_terms is not null,
  h.first is null and exists (
    select from end_users u where u.org_id = o.id and u.erased_at is null and u.held_at is null), h.first
from organizations o
cross join lateral (
  select min(f.id) as first from end_users u cross join lateral (
    select i.id from inferences i where i.org_id between u.org_id and u.org_id and i.end_user_id = u.id
    order by i.org_id, i.end_user_id, i.id limit 1) f
  where u.org_id = o.id and u.held_at is not null and u.erased_at is null
) h
left join lateral (
  select through, reason from retention_purges where org_id = o.id and finished_at is null order by through limit 1
) p on true
cross join lateral (
  select max(a.until + make_interval(days => a.grace_days)) as readable_until,
    bool_or(a.status = 'pending' or a.status = 'active' and coalesce(a.until > %(now)s, true)) as is_open,
    (array_agg(a.status = 'terminated' or a.status = 'active' and a.ends_as = 'terminated' and a.ends_at = a.until
      order by a.id desc))[1] as was_terminated
  from (select *, least(expires_at, ends_at) as until from baa_acceptances where org_id = o.id) a
) g
where (%(only)s::text is null or o.id = %(only)s) and o.id > %(after)s order by o.id limit %(limit)s
"""
"""One row an organisation, each by a few looks into indexes however much it keeps."""

USABLE_KEYS = """
select day from content_keys
where org_id between %(org)s and %(org)s and day <= %(bound)s and destroyed_at is null order by org_id, day
"""

BEGIN = """
insert into retention_purges (org_id, through, reason, started_at)
values (%(org)s, %(through)s, %(reason)s, %(now)s)
on conflict (org_id, through, reason) do update set finished_at = null
"""

COUNT = """
update retention_purges set keys = keys + %(keys)s, records = records + %(records)s
where org_id = %(org)s and through = %(through)s and reason = %(reason)s
"""

FINISH = """
update retention_purges set finished_at = %(now)s
where org_id = %(org)s and through = %(through)s and reason = %(reason)s returning keys, records
"""

OLD_RECORDS = """
select id from inferences
where org_id between %(org)s and %(org)s and id < %(below)s and status <> 'in_progress'
order by org_id, id limit %(limit)s
"""
"""Calls that run are not among them: the sweep of their holds looks for their records."""

# A process that sleeps beyond its lease may wake and settle its lost call, which has no record any more.
GIVE_UP = """
update credit_holds set state = 'voided', closed_at = %(now)s where id = any(%(ids)s) and state = 'expired'
"""

REMOVE_RECORDS = "delete from inferences where id = any(%(ids)s) and org_id = %(org)s"
"""Findings go with them."""

REMOVE_ANSWERS = """
delete from idempotency_keys k using (
  select org_id, digest from idempotency_keys where org_id = %(org)s and created_at < %(before)s
  limit %(limit)s for update skip locked
) as old
where k.org_id = old.org_id and k.digest = old.digest
"""

# Of each the key, the name, and what exports of theirs there are; their parts go as those of any that was cancelled.
TAKE_NAMES = """
with people as (
  select id from end_users where org_id = %(org)s and erased_at is null and held_at is null
  order by id limit %(limit)s for update
),
shredded as (
  update end_user_keys k set sealed = null, destroyed_at = %(now)s from people p
  where k.end_user_id = p.id and k.destroyed_at is null
),
cancelled as (
  update end_user_exports x set state = 'cancelled', sealed_key = null from people p
  where x.end_user_id = p.id and x.state in ('requested', 'running', 'ready') returning x.id
),
told as (
  insert into outbox (id, org_id, type, data, created_at)
  select left(%(event)s, 10) || upper(left(encode(sha256(convert_to(id || 'taken', 'UTF8')), 'hex'), 16)), %(org)s,
    'end_user.export_cancelled', jsonb_build_object('export_id', id), %(now)s from cancelled
)
update end_users u set state = 'erased', original = null, erased_at = %(now)s,
  restricted_at = coalesce(u.restricted_at, %(now)s) from people p where u.id = p.id
"""

REMOVE_JOBS = """
delete from app_jobs where id in (
  select id from app_jobs
  where org_id = %(org)s and id < %(below)s and finished_at is not null
  order by org_id, id limit %(limit)s for update skip locked
) and org_id = %(org)s
"""
"""Those that run find out by themselves that what they were given is gone."""

REMOVE_RUNS = REMOVE_JOBS.replace("app_jobs", "chat_runs")

REMOVE_FILES = """
delete from files where id in (
  select id from files where org_id = %(org)s and day <= %(bound)s order by id limit %(limit)s for update skip locked
) and org_id = %(org)s
"""
"""Pieces of their text go with them."""

EMPTY_TERMS = "update organizations set phi_terms = null, policy_version = policy_version + 1 where id = %(org)s"
"""Every API process hears of it, as of any change of a policy."""

AUDIT = """
with audited as (
  insert into audit_entries (id, org_id, action, entity_type, entity_id, actor, metadata, phi_disposition, created_at)
  values (%(audit)s, %(org)s, %(action)s, 'organization', %(org)s, %(actor)s, %(facts)s, 'not_present', %(now)s)
  returning id
)
insert into audit_pending (entry_id) select id from audited
"""

TELL = """
insert into outbox (id, org_id, type, data, created_at) values (%(event)s, %(org)s, %(type)s, %(facts)s, %(now)s)
"""

COUNT_DUE = """
select
  (select count(*) from content_keys where org_id = %(org)s and day <= %(through)s and destroyed_at is null),
  (select count(*) from inferences where org_id = %(org)s and id < %(below)s and status <> 'in_progress')
"""

LAST_PURGES = """
select through, reason, started_at, finished_at, keys, records from retention_purges
where org_id = %(org)s order by started_at desc, through desc limit %(limit)s
"""
