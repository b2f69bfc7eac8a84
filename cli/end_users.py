"""`hasp end-user`: people whom any organisation's calls name, for operators. Shows and takes ids, never names."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import OrgOption, organization, require_organization, with_storage
from cli.failure import CommandError
from gateway.audit import AuditAction
from gateway.end_users.end_user import EndUserEntry, HoldReason
from gateway.ids import EndUserId, find_ulid
from gateway.paging import MAX_LIMIT
from gateway.tenancy import KeyMode, Principal

if TYPE_CHECKING:
    from storage import Storage

app = typer.Typer(help="People whom calls name.", no_args_is_help=True)

EndUserArgument = Annotated[
    str, typer.Argument(metavar="END_USER", help="The end user's id: a name would stay in the shell's history.")
]


@app.command("list")
def list_end_users(org: OrgOption) -> None:
    """Print each end user that is not erased as one line of JSON, newest first, without the name."""
    principal = Principal(organization(org), None, frozenset(), KeyMode.LIVE)

    async def show(storage: "Storage") -> None:
        await require_organization(storage, principal.org)
        async with storage.as_operator(principal.org, command="end-user.list") as tx:
            tx.audit(AuditAction.END_USER_LISTED, entity_type="organization", entity_id=principal.org)
        cursor = None
        while True:
            async with storage.read(principal) as view:
                page = await view.end_users.page(cursor=cursor, limit=MAX_LIMIT)
            for entry in page.items:
                print(json.dumps(_shown(entry)))
            if (cursor := page.next_cursor) is None:
                return

    with_storage(show)


@app.command("hold")
def hold(
    end_user: EndUserArgument,
    org: OrgOption,
    reason: Annotated[HoldReason, typer.Option(help="Why the person is not erased.")],
) -> None:
    """Have an end user not be erased, whoever asks for it, until `hasp end-user release`."""
    org_id, end_user_id = organization(org), _end_user_id(end_user)

    async def set_hold(storage: "Storage") -> str:
        async with storage.as_operator(org_id, command="end-user.hold") as tx:
            held, is_new = await tx.end_users.hold(end_user_id, reason, by=tx.actor)
            about = {"reason": reason.value, "changed": is_new}
            action = AuditAction.END_USER_HELD
            tx.audit(action, entity_type="end_user", entity_id=held.id, metadata=about, subject=held.digest)
        return json.dumps(_shown(held))

    print(with_storage(set_hold))


@app.command("release")
def release(end_user: EndUserArgument, org: OrgOption) -> None:
    """Take an end user's hold away. Nothing is erased by that."""
    org_id, end_user_id = organization(org), _end_user_id(end_user)

    async def lift(storage: "Storage") -> str:
        async with storage.as_operator(org_id, command="end-user.release") as tx:
            released, was_held = await tx.end_users.release(end_user_id)
            about = {"changed": was_held}
            action = AuditAction.END_USER_RELEASED
            tx.audit(action, entity_type="end_user", entity_id=released.id, metadata=about, subject=released.digest)
        return json.dumps(_shown(released))

    print(with_storage(lift))


def _shown(entry: EndUserEntry) -> dict[str, object]:
    hold = entry.hold
    return {
        "id": entry.id,
        "subject_id_hmac": entry.digest,
        "state": entry.state.value,
        "first_seen_at": entry.first_seen_at.isoformat(),
        "last_seen_at": entry.last_seen_at.isoformat() if entry.last_seen_at else None,
        "hold": {"reason": hold.reason.value, "at": hold.at.isoformat(), "by": hold.by} if hold else None,
    }


def _end_user_id(given: str) -> EndUserId:
    ulid = find_ulid(given)
    if ulid is None:
        raise CommandError("END_USER is not an end user's id; `hasp end-user list` shows them")
    return EndUserId(ulid)
