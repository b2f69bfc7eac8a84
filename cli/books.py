"""Commands for the books of credits."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import organization, require_organization, with_storage
from gateway.audit import AuditAction
from gateway.ids import PLATFORM

if TYPE_CHECKING:
    from storage import Storage
    from storage.proof import Discrepancy

app = typer.Typer(help="The books of credits.", no_args_is_help=True)

_PAGE = 200


@app.callback()
def books() -> None:
    """Keeps `verify` a command of its own, as the only one there is."""


@app.command("verify")
def verify(
    org: Annotated[str | None, typer.Option("--org", help="Only this organization's books.")] = None,
) -> None:
    """Add up all books anew, as the nightly proof does. Exit code 1 and every check that fails if they disagree.

    Changes nothing, and may run while calls do. That it was asked, and what came of it, is audited.
    """
    from storage.proof import first_place, periods_after, prove

    only = organization(org) if org else None

    async def walk(storage: "Storage") -> bool:
        if only:
            await require_organization(storage, only)
        now = datetime.now(UTC)
        place, sound = first_place(only), True
        while periods := await periods_after(storage.pool, place, since=now, limit=_PAGE, only=only):
            for period in periods:
                found = await prove(storage.pool, period, at=now)
                sound = sound and not found
                for line in map(_line, found):
                    print(line)
                if not found:
                    print(f"ok    {period.org}  {period.start:%Y-%m-%dT%H:%M:%SZ}")
            place = periods[-1].place
        async with storage.as_operator(only or PLATFORM, command="books.verify") as tx:
            whose, facts = only or PLATFORM, {"sound": sound}
            tx.audit(AuditAction.BOOKS_VERIFIED, entity_type="organization", entity_id=whose, metadata=facts)
        return sound

    if not with_storage(walk):
        raise typer.Exit(1)


def _line(found: "Discrepancy") -> str:
    told = [f"BAD   {found.org}  {found.period_start:%Y-%m-%dT%H:%M:%SZ}  {found.check}"]
    if found.holder is not None:
        told.append(found.holder)
    if found.recorded is not None:
        told.append(f"recorded {found.recorded}, proven {found.proven}")
    if found.example is not None:
        told.append(f"{found.count} calls, first {found.example}")
    return "  ".join(told)
