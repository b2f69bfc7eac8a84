"""Commands for operators: organisations."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from cli.configuration import load_settings, require_tier
from cli.failure import CommandError
from cli.operator import operator
from gateway.baa.template import Cover
from gateway.credits.budget import LARGEST_CAP
from gateway.errors import GatewayError
from gateway.ids import OrganizationId, find_ulid
from gateway.tenancy import DEFAULT_TIER, KeyMode, Scope

if TYPE_CHECKING:
    from storage import Storage

T = TypeVar("T")

DEMO_CREDITS = 50_000_000

org_app = typer.Typer(help="Organizations and their policies.", no_args_is_help=True)

OrgOption = Annotated[str, typer.Option("--org", help="The organization's id.")]


@org_app.command("create")
def org_create(
    name: Annotated[str, typer.Option(help="Its name, for people.")],
    credits_allotment: Annotated[
        int, typer.Option("--credits", min=0, max=LARGEST_CAP, help="Credits per billing period.")
    ] = 1_000_000,
    tier: Annotated[str, typer.Option(help="How fast it may call: a tier's name.")] = DEFAULT_TIER,
) -> None:
    """Create an organization and print its id. It can call nothing until an agreement is accepted."""
    from storage.onboarding import create_organization

    require_tier(load_settings(), tier)
    print(
        with_storage(
            lambda storage: create_organization(storage, name=name, credits_allotment=credits_allotment, tier=tier)
        )
    )


def demo_seed(known: str | None) -> None:
    """Make the demo organization unless `known` still exists; prints one JSON line for the supervisor."""
    from gateway.baa.countersigning import countersigner, seal_files
    from gateway.baa.evidence import Signatory
    from gateway.baa.offer import AUTHORITY
    from gateway.baa.seal import create_seal, files_beside
    from storage.onboarding import accept_agreement, create_key, create_organization

    settings = load_settings()
    files = seal_files(settings)
    if files == files_beside(settings.keyring_file) and not files.key.exists():
        create_seal(files, operator=countersigner(settings).name, now=datetime.now(UTC))

    async def seed(storage: "Storage") -> dict[str, str | None]:
        if known and await _exists(storage, OrganizationId(known)):
            return {"organization_id": known, "api_key": None}
        org = await create_organization(storage, name="Demo hospital", credits_allotment=DEMO_CREDITS)
        signatory = Signatory("Demo", "Operator of this machine", "demo@localhost", AUTHORITY)
        party = countersigner(settings)
        await accept_agreement(storage, org, signatory=signatory, operator=party, covers=list(Cover))
        _, key = await create_key(storage, org, name="demo", scopes=list(Scope), mode=KeyMode.LIVE)
        return {"organization_id": org, "api_key": key}

    print(json.dumps(with_storage(seed)))


async def _exists(storage: "Storage", org: OrganizationId) -> bool:
    from gateway.errors import NotFoundError

    try:
        await require_organization(storage, org)
    except NotFoundError:
        return False
    return True


async def require_organization(storage: "Storage", org: OrganizationId) -> None:
    """Raises `NotFoundError` for one that is not there: an empty answer would read as a good one."""
    from gateway.tenancy import Principal

    async with storage.read(Principal(org, None, frozenset(), KeyMode.LIVE)) as tx:
        await tx.organization.get()


def organization(given: str) -> OrganizationId:
    """The id in `--org`. Raises `CommandError`."""
    ulid = find_ulid(given, "org_")
    if ulid is None:
        raise CommandError("--org is not an organization's id")
    return OrganizationId(ulid)


def with_storage(work: "Callable[[Storage], Awaitable[T]]") -> T:
    """What `work` returns, done on the configured store by whoever is at the command line.

    Nobody who was erased is in it any more: of a restored one, they are erased again first. What it refuses ends the
    command with one line.
    """

    async def held(storage: "Storage") -> T:
        if not storage.replay.is_done:
            await storage.replay.run()
        return await work(storage)

    return with_restored_storage(held)


def with_restored_storage(work: "Callable[[Storage], Awaitable[T]]") -> T:
    """The same with whomever a restore brought back."""
    from storage import Storage
    from storage.end_users.tombstones import TombstonesError
    from storage.keyring import KeyringError

    who = operator()

    async def run() -> T:
        storage = await Storage.open(load_settings(), operator=who)
        try:
            return await work(storage)
        finally:
            await storage.close()

    try:
        return asyncio.run(run())
    except (GatewayError, KeyringError, TombstonesError) as failure:
        raise CommandError(str(failure)) from None
