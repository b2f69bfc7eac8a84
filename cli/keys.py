"""`hasp key`: API keys of any organisation, for operators."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import OrgOption, organization, with_storage
from cli.failure import CommandError
from gateway.audit import AuditAction
from gateway.credits.budget import LARGEST_CAP
from gateway.errors import ValidationFailedError
from gateway.ids import ApiKeyId, find_ulid
from gateway.keys.api_key import DEFAULT_GRACE_S, GRACE_S, LONGEST_LIFE, ApiKey, read_expiry
from gateway.keys.networks import Network, read_networks
from gateway.paging import MAX_LIMIT
from gateway.tenancy import KeyMode, Principal, Scope

if TYPE_CHECKING:
    from storage import Storage

app = typer.Typer(help="API keys.", no_args_is_help=True)

_LONGEST_NAME = 100
_OWNER = re.compile(r"[A-Za-z0-9._:@|+-]{1,255}\Z", re.ASCII)
_DAYS = re.compile(r"([0-9]{1,4})d\Z", re.ASCII)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id.")]


@app.command("create")
def create(
    org: OrgOption,
    name: Annotated[str, typer.Option(help="Its name, for people.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="Repeatable; default: ai:chat.")] = None,
    test: Annotated[bool, typer.Option("--test", help="A key that reaches only the sandbox.")] = False,
    expires: Annotated[
        str | None, typer.Option(help="When it ends: 90d, or a time such as 2027-04-01T00:00:00Z.")
    ] = None,
    ip: Annotated[list[str] | None, typer.Option(help="A network (CIDR) it may be used from; repeatable.")] = None,
    credit_cap: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_CAP, help="Credits it may spend in a billing period.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="The user on whose behalf it issues agents' credentials.")] = None,
) -> None:
    """Create an API key and print it. It is shown only now."""
    from storage.onboarding import create_key

    mode = KeyMode.TEST if test else KeyMode.LIVE
    scopes = scope or [Scope.AI_CHAT]
    _require_name(name)
    _require_owner(owner)
    expires_at, networks = _expiry(expires), _networks(ip or [])
    _, plaintext = with_storage(
        lambda storage: create_key(
            storage,
            organization(org),
            name=name,
            scopes=scopes,
            mode=mode,
            expires_at=expires_at,
            networks=networks,
            credit_cap=credit_cap,
            owner=owner,
        )
    )
    print(plaintext)


@app.command("list")
def list_keys(org: OrgOption) -> None:
    """Print each key that is not revoked as one line of JSON, newest first."""
    principal = Principal(organization(org), None, frozenset(), KeyMode.LIVE)

    async def show(storage: "Storage") -> None:
        async with storage.as_operator(principal.org, command="key.list") as tx:
            await tx.organization.get()
            tx.audit(AuditAction.API_KEY_LISTED, entity_type="organization", entity_id=principal.org)
        cursor: str | None = None
        while True:
            async with storage.read(principal) as view:
                page = await view.keys.page(cursor=cursor, limit=MAX_LIMIT, now=datetime.now(UTC))
            for key in page.items:
                print(json.dumps(_shown(key)))
            if (cursor := page.next_cursor) is None:
                return

    with_storage(show)


@app.command("rotate")
def rotate(
    key: KeyArgument,
    org: OrgOption,
    grace: Annotated[
        int,
        typer.Option(
            "--grace-seconds",
            min=GRACE_S[0],
            max=GRACE_S[1],
            help="How long KEY works on after its successor was first used.",
        ),
    ] = DEFAULT_GRACE_S,
) -> None:
    """Make a successor that is like the key, and print it. It is shown only now."""
    key_id = _key_id(key)

    async def replace(storage: "Storage") -> str:
        from storage.key_issue import rotate_key

        async with storage.as_operator(organization(org), command="key.rotate") as tx:
            _, plaintext = await rotate_key(tx, key_id, grace_s=grace)
        return plaintext

    print(with_storage(replace))


@app.command("revoke")
def revoke(key: KeyArgument, org: OrgOption) -> None:
    """Revoke a key for good. Every API process refuses it within a second."""
    key_id = _key_id(key)

    async def end(storage: "Storage") -> None:
        from storage.key_issue import revoke_key

        async with storage.as_operator(organization(org), command="key.revoke") as tx:
            await revoke_key(tx, key_id)

    with_storage(end)


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "mode": key.mode.value,
        "last_four": key.last_four,
        "scopes": [scope.value for scope in key.scopes],
        "ends_at": key.ends_at.isoformat() if key.ends_at else None,
        "ip_allowlist": [*map(str, key.networks)],
        "credit_cap": key.credit_cap,
        "credits_used": key.credits_used,
        "owner": key.owner,
        "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
    }


def _require_name(given: str) -> None:
    """As over HTTP: whoever changes the key there sends its name back."""
    if not (given.strip() and len(given) <= _LONGEST_NAME and given.isprintable()):
        raise CommandError(
            f"--name must be 1 to {_LONGEST_NAME} characters, not all of them blanks, and none a control"
        )


def _require_owner(given: str | None) -> None:
    if given is not None and not _OWNER.match(given):
        raise CommandError("--owner must be 1 to 255 letters, digits or any of . _ : @ | + -")


def _key_id(given: str) -> ApiKeyId:
    ulid = find_ulid(given, "key_")
    if ulid is None:
        raise CommandError("KEY is not an API key's id; `hasp key list` shows them")
    return ApiKeyId(ulid)


def _expiry(given: str | None) -> datetime | None:
    if given is None:
        return None
    now = datetime.now(UTC)
    try:
        days = _DAYS.match(given)
        return read_expiry(
            "--expires", now + timedelta(int(days[1])) if days else datetime.fromisoformat(given), now=now
        )
    except ValidationFailedError:
        raise CommandError(f"--expires must be ahead of now, by {LONGEST_LIFE.days} days at most") from None
    except (TypeError, ValueError, OverflowError):  # a time without offset cannot be compared
        raise CommandError(
            "--expires is neither days such as 90d nor a time with offset, such as 2027-04-01T00:00:00Z"
        ) from None


def _networks(given: Sequence[str]) -> tuple[Network, ...]:
    try:
        return read_networks("--ip", given)
    except ValidationFailedError as failure:
        raise CommandError(str(failure)) from None
