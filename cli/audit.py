"""`hasp audit`: the chains in the database, and exports of them anywhere."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import organization, require_organization, with_storage
from cli.failure import CommandError
from gateway.audit import AuditAction
from gateway.errors import NotFoundError
from gateway.ids import PLATFORM, OrganizationId

if TYPE_CHECKING:
    from gateway.audit.checkpoints import Checkpoint
    from gateway.audit.export_format import KeysDocument
    from gateway.audit.verdicts import ExportVerdict
    from gateway.timestamps.stamps import Authorities
    from storage import Storage
    from storage.chain import Verdict
    from storage.unsealed import Unsealed

EXIT_UNREADABLE = 2

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.command("verify")
def verify(
    export: Annotated[Path | None, typer.Argument(help="An export; without one, the database.")] = None,
    keys: Annotated[Path | None, typer.Option(help="The organization's published keys, as JSON.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificates of time-stamp authorities, as PEM.")] = None,
    checkpoints: Annotated[
        list[Path] | None, typer.Option("--checkpoint", help="A checkpoint that you kept, as JSON. May be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report an export's verdict as JSON.")] = False,
    org: Annotated[str | None, typer.Option("--org", help="In the database, only this organization's chain.")] = None,
) -> None:
    """Check an export offline, or walk the chains of the database, and hold its published keys to the keyring.

    Exit code 1, and the first bad entry, when something does not hold; 2 when there is no such organization, or the
    export, the keys, the certificates or a checkpoint cannot be read.
    """
    if export is None:
        if keys or ca or as_json:
            raise CommandError("--keys, --ca and --json need an EXPORT", exit_code=EXIT_UNREADABLE)
        _verify_database(org, _held(checkpoints or []))
    elif org is not None:
        raise CommandError("--org does not go with an EXPORT, which is of one organization", exit_code=EXIT_UNREADABLE)
    else:
        _verify_export(export, keys, ca, _held(checkpoints or []), as_json)


def _verify_database(org: str | None, held: "list[Checkpoint]") -> None:
    from storage.audit_keys import strangers
    from storage.audit_verification import verify
    from storage.unsealed import by_organization

    async def walk(storage: "Storage") -> bool:
        only = await _only(storage, org) if org else None
        chains = await _chains(storage, only, held)
        unsealed = await by_organization(storage.pool, now=datetime.now(UTC))
        sound = True
        for chain in chains:
            verdict = await verify(storage.pool, chain, [each for each in held if each.org == chain])
            print(_chain_text(verdict, unsealed.get(chain)))
            sound = sound and verdict.flaw is None
        for key_id in await strangers(storage.pool, storage.keyring.audit):
            print(f"BAD   key {key_id} is published, and is not in this keyring")
            sound = False
        await _audit_verification(storage, only or PLATFORM, sound=sound)
        return sound

    if not with_storage(walk):
        raise typer.Exit(1)


async def _only(storage: "Storage", given: str) -> OrganizationId:
    try:
        only = organization(given)
        await require_organization(storage, only)
    except (CommandError, NotFoundError):
        raise CommandError("--org is no organization here", exit_code=EXIT_UNREADABLE) from None
    return only


async def _chains(
    storage: "Storage", only: OrganizationId | None, held: "list[Checkpoint]"
) -> Sequence[OrganizationId]:
    """Those to verify. Raises `CommandError` for a checkpoint of none of them: it would be passed over."""
    from storage.chain import organizations

    chains = [only] if only else await organizations(storage.pool)
    if any(each.org not in chains for each in held):
        raise CommandError("a checkpoint is of an organization that is not verified", exit_code=EXIT_UNREADABLE)
    return chains


def _chain_text(verdict: "Verdict", unsealed: "Unsealed | None") -> str:
    if verdict.flaw is not None:
        named = f": {verdict.entry_id}" if verdict.entry_id else ""
        found = f"BAD   {verdict.org}  {verdict.flaw} after entry {verdict.length}{named}"
    else:
        found = f"ok    {verdict.org}  {verdict.length} entries  head {verdict.head}"
    if unsealed is None:
        return found
    late = " LATE: does a worker run?" if unsealed.is_overdue else ""
    waits = f"{unsealed.count} not sealed yet, the oldest for {unsealed.longest.total_seconds():.0f} s"
    return f"{found}\n      {waits}{late}"


async def _audit_verification(storage: "Storage", org: OrganizationId, *, sound: bool) -> None:
    async with storage.as_operator(org, command="audit.verify") as tx:
        tx.audit(AuditAction.AUDIT_VERIFIED, entity_type="organization", entity_id=org, metadata={"sound": sound})


def _verify_export(export: Path, keys: Path | None, ca: Path | None, held: "list[Checkpoint]", as_json: bool) -> None:
    from gateway.audit.export_format import UnreadableError
    from gateway.audit.verifying import verify_export

    try:
        with export.open("rb") as stream:
            verdict = verify_export(stream, keys=_keys(keys), authorities=_authorities(ca), held=held)
    except OSError as error:
        raise CommandError(f"{error.filename or export}: {error.strerror}", exit_code=EXIT_UNREADABLE) from None
    except UnreadableError as error:
        raise CommandError(f"cannot be read: {error}", exit_code=EXIT_UNREADABLE) from None
    print(_json(verdict, held) if as_json else _text(verdict, held))
    if verdict.flaw is not None:
        raise typer.Exit(1)


def _held(paths: list[Path]) -> "list[Checkpoint]":
    from gateway.audit.export_format import UnreadableError
    from gateway.audit.export_reading import loads
    from gateway.audit.held_checkpoints import read_checkpoint

    try:
        return [read_checkpoint(loads(path.read_bytes(), "the checkpoint")) for path in paths]
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}", exit_code=EXIT_UNREADABLE) from None
    except UnreadableError as error:
        raise CommandError(f"cannot be read: {error}", exit_code=EXIT_UNREADABLE) from None


def _keys(path: Path | None) -> "KeysDocument | None":
    from gateway.audit.export_format import read_keys
    from gateway.audit.export_reading import loads

    return None if path is None else read_keys(loads(path.read_bytes(), "the file of keys"))


def _authorities(path: Path | None) -> "Authorities | None":
    from gateway.audit.export_format import UnreadableError
    from gateway.timestamps.stamps import Authorities

    if path is None:
        return None
    try:
        return Authorities.from_pem(path.read_bytes())
    except ValueError:
        raise UnreadableError("the file of certificates has no root certificate in PEM form") from None


def _text(verdict: "ExportVerdict", held: "list[Checkpoint]") -> str:
    flaw = verdict.flaw
    if flaw is not None:
        where = "" if flaw.seq is None else f" at entry {flaw.seq}"
        named = "" if flaw.entry_id is None else f" ({flaw.entry_id})"
        return f"BAD   {verdict.organization}  {flaw.flaw}{where}{named}: {flaw.reason}"
    last = verdict.first_seq + verdict.entries - 1
    entries = f"entries {verdict.first_seq} to {last}" if verdict.entries else "no entries"
    known = "published" if verdict.keys_published else "NOT CONFIRMED, the export brought them (--keys)"
    unchecked = verdict.time_stamps - verdict.time_stamps_verified
    stamps = f"{verdict.time_stamps_verified} verified" + (f", {unchecked} NOT CHECKED (--ca)" if unchecked else "")
    found = f"ok    {verdict.organization}  {entries}  head {verdict.head}"
    lines = [found, f"      keys: {known}", f"      time-stamps: {stamps}"]
    if held:
        outside = len(held) - verdict.checkpoints_compared
        lines.append(
            f"      checkpoints: {verdict.checkpoints_compared} hold"
            + (f", {outside} NOT COMPARED, outside of the export" if outside else "")
        )
    return "\n".join(lines)


def _json(verdict: "ExportVerdict", held: "list[Checkpoint]") -> str:
    flaw = verdict.flaw
    return json.dumps(
        {
            "sound": flaw is None,
            "organization": verdict.organization,
            "first_seq": verdict.first_seq,
            "entries": verdict.entries,
            "head": verdict.head,
            "keys": "published" if verdict.keys_published else "export",
            "time_stamps": verdict.time_stamps,
            "time_stamps_verified": verdict.time_stamps_verified,
            "checkpoints": len(held),
            "checkpoints_compared": verdict.checkpoints_compared,
            "flaw": flaw
            and {"kind": str(flaw.flaw), "seq": flaw.seq, "entry_id": flaw.entry_id, "reason": flaw.reason},
        }
    )
