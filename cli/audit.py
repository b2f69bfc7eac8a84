"""`hasp audit`: the chains in the database, and exports of them anywhere."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.admin import organization, require_organization, with_storage
from cli.failure import CommandError
from gateway.audit import AuditAction
from gateway.ids import PLATFORM, OrganizationId

if TYPE_CHECKING:
    from gateway.audit.export_format import KeysDocument
    from gateway.audit.verdicts import ExportVerdict
    from gateway.timestamps.stamps import Authorities
    from storage import Storage

EXIT_UNREADABLE = 2

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.command("verify")
def verify(
    export: Annotated[Path | None, typer.Argument(help="An export; without one, the database.")] = None,
    keys: Annotated[Path | None, typer.Option(help="The organization's published keys, as JSON.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificates of time-stamp authorities, as PEM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report an export's verdict as JSON.")] = False,
    org: Annotated[str | None, typer.Option("--org", help="In the database, only this organization's chain.")] = None,
) -> None:
    """Check an export offline, or walk the chains of the database.

    Exit code 1, and the first bad entry, when something does not hold; 2 when the export, the keys or the
    certificates cannot be read.
    """
    if export is None:
        if keys or ca or as_json:
            raise CommandError("--keys, --ca and --json need an EXPORT", exit_code=EXIT_UNREADABLE)
        _verify_database(org)
    elif org is not None:
        raise CommandError("--org does not go with an EXPORT, which is of one organization", exit_code=EXIT_UNREADABLE)
    else:
        _verify_export(export, keys, ca, as_json)


def _verify_database(org: str | None) -> None:
    from storage.chain import organizations, verify

    async def walk(storage: "Storage") -> bool:
        only = organization(org) if org else None
        if only:
            await require_organization(storage, only)
        chains = [only] if only else await organizations(storage.pool)
        sound = True
        for chain in chains:
            verdict = await verify(storage.pool, chain)
            if verdict.flaw is None:
                print(f"ok    {chain}  {verdict.length} entries  head {verdict.head}")
            else:
                sound = False
                print(f"BAD   {chain}  {verdict.flaw} after entry {verdict.length}: {verdict.entry_id}")
        await _audit_verification(storage, only or PLATFORM, sound=sound)
        return sound

    if not with_storage(walk):
        raise typer.Exit(1)


async def _audit_verification(storage: "Storage", org: OrganizationId, *, sound: bool) -> None:
    async with storage.as_operator(org, command="audit.verify") as tx:
        tx.audit(AuditAction.AUDIT_VERIFIED, entity_type="organization", entity_id=org, metadata={"sound": sound})


def _verify_export(export: Path, keys: Path | None, ca: Path | None, as_json: bool) -> None:
    from gateway.audit.export_format import UnreadableError
    from gateway.audit.verifying import verify_export

    try:
        with export.open("rb") as stream:
            verdict = verify_export(stream, keys=_keys(keys), authorities=_authorities(ca))
    except OSError as error:
        raise CommandError(f"{error.filename or export}: {error.strerror}", exit_code=EXIT_UNREADABLE) from None
    except UnreadableError as error:
        raise CommandError(f"cannot be read: {error}", exit_code=EXIT_UNREADABLE) from None
    print(_json(verdict) if as_json else _text(verdict))
    if verdict.flaw is not None:
        raise typer.Exit(1)


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


def _text(verdict: "ExportVerdict") -> str:
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
    return f"{found}\n      keys: {known}\n      time-stamps: {stamps}"


def _json(verdict: "ExportVerdict") -> str:
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
            "flaw": flaw
            and {"kind": str(flaw.flaw), "seq": flaw.seq, "entry_id": flaw.entry_id, "reason": flaw.reason},
        }
    )
