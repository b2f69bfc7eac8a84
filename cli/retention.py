"""Commands for retention: what an organisation keeps, and a purge before the nightly one."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from cli.admin import OrgOption, organization, require_organization, with_storage
from gateway.audit import AuditAction
from gateway.ids import OrganizationId

if TYPE_CHECKING:
    from storage import Storage
    from storage.retention import Kept, Purge

app = typer.Typer(help="How long content is kept.", no_args_is_help=True)

_PURGES = 5


@app.command("show")
def show(org: OrgOption) -> None:
    """Print what an organization keeps, how long, and what a purge would destroy now. Destroys nothing."""

    async def look(storage: "Storage") -> dict[str, Any]:
        from storage.retention import count_due, last_purges

        now = await _now(storage)
        kept = await _kept(storage, organization(org), now)
        keys, records = await count_due(storage.pool, kept, now=now)
        purges = await last_purges(storage.pool, kept.org, limit=_PURGES)
        async with storage.as_operator(kept.org, command="retention.show") as tx:
            tx.audit(AuditAction.RETENTION_READ, entity_type="organization", entity_id=kept.org)
        return _shown(kept, now) | {
            "due": {"keys": keys, "records": records},
            "last_purges": [_purge(each) for each in purges],
        }

    print(json.dumps(with_storage(look), indent=2))


@app.command("purge")
def purge(org: OrgOption) -> None:
    """Destroy what is due now, as the nightly purge does, and print how much. It cannot be undone."""

    async def destroy(storage: "Storage") -> dict[str, int]:
        from storage.retention import purge_step

        chosen = organization(org)
        await require_organization(storage, chosen)
        done = {"keys": 0, "records": 0}
        actor = storage.acting_as("retention.purge")
        while not (step := await purge_step(storage.pool, chosen, now=await _now(storage), actor=actor)).is_idle:
            done = {"keys": done["keys"] + step.keys, "records": done["records"] + step.records}
        return done

    print(json.dumps(with_storage(destroy)))


async def _now(storage: "Storage") -> datetime:
    """What this machine and the database agree to be past."""
    from storage.retention import database_time

    return min(storage.clock.now(), await database_time(storage.pool))


async def _kept(storage: "Storage", org: OrganizationId, now: datetime) -> "Kept":
    from storage.retention import kept_after

    await require_organization(storage, org)
    (kept,) = await kept_after(storage.pool, "", now=now, limit=1, only=org)
    return kept


def _shown(kept: "Kept", now: datetime) -> dict[str, Any]:
    retention, due = kept.retention, kept.due_at(now)
    bears_from = retention.bears_from(now)
    return {
        "retention_days": retention.days,
        "legal_hold": retention.legal_hold,
        "effective_days": retention.effective_days(now),
        "held": retention.is_held(now),
        "takes_effect_at": bears_from and bears_from.isoformat(),
        "oldest_day": kept.oldest_day and kept.oldest_day.isoformat(),
        "due_through": due and due.through.isoformat(),
        "reason": due and due.reason.value,
    }


def _purge(done: "Purge") -> dict[str, Any]:
    return {
        "through": done.through.isoformat(),
        "reason": done.reason.value,
        "started_at": done.started_at.isoformat(),
        "finished_at": done.finished_at and done.finished_at.isoformat(),
        "keys": done.keys,
        "records": done.records,
    }
