"""`hasp audit review`: what went on, for whoever examines the log from time to time."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import organization, require_organization, with_storage
from gateway.audit import AuditAction
from gateway.ids import PLATFORM

if TYPE_CHECKING:
    from storage import Storage
    from storage.audit_review import Reviewed

_TITLES = {"action": "All acts", "refusal": "Refused", "read": "Content and settings shown", "command": "Commands"}
_DAYS = 30


def review(
    org: Annotated[
        str | None, typer.Option("--org", help="The organization's id; without, the platform's own log.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help=f"From when on, in UTC; default: {_DAYS} days ago.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Sum up an organization's log: what was done, refused, shown, and commanded, by whom, from where, how often.

    Of each the hundred most frequent. Shows no content; that it was looked at is audited.
    """
    start = since.replace(tzinfo=UTC) if since else datetime.now(UTC) - timedelta(days=_DAYS)

    async def look(storage: "Storage") -> "list[Reviewed]":
        from storage.audit_review import review as sum_up

        whose = organization(org) if org else PLATFORM
        await require_organization(storage, whose)
        lines = await sum_up(storage.pool, whose, since=start)
        async with storage.as_operator(whose, command="audit.review") as tx:
            facts = {"since": start.isoformat()}
            tx.audit(AuditAction.AUDIT_READ, entity_type="organization", entity_id=whose, metadata=facts)
        return lines

    lines = with_storage(look)
    print(_json(lines) if as_json else _text(lines))


def _json(lines: "list[Reviewed]") -> str:
    return json.dumps(
        {
            kind: [
                {
                    "what": line.what,
                    "actor": line.actor,
                    "address": line.address,
                    "times": line.times,
                    "first_at": line.first_at.isoformat(),
                    "last_at": line.last_at.isoformat(),
                }
                for line in lines
                if line.kind == kind
            ]
            for kind in _TITLES
        }
    )


def _text(lines: "list[Reviewed]") -> str:
    told: list[str] = []
    for kind, title in _TITLES.items():
        told += ["", title] if told else [title]
        told += [_line(line) for line in lines if line.kind == kind] or ["       0"]
    return "\n".join(told)


def _line(line: "Reviewed") -> str:
    span = f"{line.first_at:%Y-%m-%dT%H:%M:%SZ} to {line.last_at:%Y-%m-%dT%H:%M:%SZ}"
    return "  ".join([f"{line.times:>8}", line.what, *filter(None, (line.actor, line.address)), span])
