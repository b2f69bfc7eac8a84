"""Rate limits: an organisation's tier, and the state of its buckets."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ANNOUNCED = (
    "phi_mode, storage_mode, restore_answers, unscannable, opus_enabled, premium_models,"
    " phi_profile, phi_entities, phi_threshold_milli, phi_terms, phi_answers, failover_enabled"
)
"""Changes of these bear on access; one more of them now."""

# One draw is some buckets, all of which must have room. `buckets` says which of `keys` a line draws from; lines of the
# same draw are side by side. Decided in the order given, so that draws that come together are exact as well.
DRAW = """
create function hasp_draw(
  keys text[], limits bigint[], daily boolean[],
  draws int[], buckets int[], costs bigint[], forced boolean[], given_at bigint default null,
  out at bigint, out admitted boolean[], out used bigint[]
) language plpgsql as $$
declare
  day constant bigint := 86400000000;
  unit constant bigint := 60000000;
  level bigint[];
  since bigint[];
  known int;
  line int := 1;
  first int;
  fits boolean;
  changed boolean := false;
begin
  loop
    with locked as (select b.* from rate_buckets b where b.key = any(keys) order by b.key for update)
    select array_agg(l.used order by k.n), array_agg(l.at order by k.n), count(l.key) into level, since, known
    from unnest(keys) with ordinality as k(key, n) left join locked l using (key);
    exit when known = cardinality(keys);
    insert into rate_buckets (key, used, at) select k, 0, 0 from unnest(keys) as k order by k on conflict do nothing;
  end loop;
  -- Only now: whoever had the locks before us wrote an earlier time.
  at := coalesce(given_at, (extract(epoch from clock_timestamp()) * 1000000)::bigint);
  for i in 1 .. cardinality(keys) loop
    if daily[i] then
      level[i] := case when since[i] / day <> at / day then 0 else level[i] end;
    else
      level[i] := greatest(0, level[i] - limits[i] * least(greatest(at - since[i], 0), day));
    end if;
    -- The clock was set back: written, or a full bucket would stay full until the clock is where it was.
    changed := changed or since[i] > at;
  end loop;
  while line <= cardinality(draws) loop
    first := line;
    fits := true;
    while line <= cardinality(draws) and draws[line] = draws[first] loop
      if costs[line] > 0 and not forced[line] then
        fits := fits and level[buckets[line]] + costs[line] <= limits[buckets[line]] * unit;
      end if;
      line := line + 1;
    end loop;
    for i in first .. line - 1 loop
      if fits and costs[i] <> 0 then
        level[buckets[i]] := greatest(0, level[buckets[i]] + costs[i]);
        changed := true;
      end if;
      used[i] := level[buckets[i]];
    end loop;
    admitted := admitted || fits;
  end loop;
  if changed then
    update rate_buckets b set used = n.used, at = hasp_draw.at
    from unnest(keys, level) as n(key, used) where b.key = n.key;
  end if;
end
$$
"""


def upgrade() -> None:
    op.add_column("organizations", sa.Column("tier", sa.Text(), server_default="enterprise", nullable=False))
    _announce(f"{ANNOUNCED}, tier")
    op.create_table(
        "rate_buckets",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_buckets")),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": 50},
    )
    op.execute("grant select, insert, update on rate_buckets to hasp_app")
    op.execute("alter table rate_buckets enable row level security")
    op.execute("create policy platform on rate_buckets to hasp_app using (current_setting('hasp.system', true) = 'on')")
    op.execute(DRAW)


def downgrade() -> None:
    op.execute("drop function hasp_draw")
    op.drop_table("rate_buckets")
    _announce(ANNOUNCED)
    op.drop_column("organizations", "tier")


def _announce(columns: str) -> None:
    op.execute("drop trigger organizations_announce on organizations")
    op.execute(
        f"""
        create trigger organizations_announce after insert or update of {columns} on organizations
        for each row execute function hasp_announce_access('id')
        """
    )
