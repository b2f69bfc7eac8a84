"""Commands for the keyring file: make it, rotate its rings, wrap data keys anew."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failure import CommandError
from cli.operator import operator

if TYPE_CHECKING:
    from storage import Storage

app = typer.Typer(help="Root keys, peppers and codec keys.", no_args_is_help=True)

FileOption = Annotated[Path, typer.Option("--file", envvar="HASP_KEYRING_FILE", help="The keyring file, mode 0600.")]


class RingName(StrEnum):
    """What each ring is for is in the keyring's own documentation."""

    ROOT = "root"
    PEPPER = "pepper"
    CODEC = "codec"
    SUBJECT = "subject"
    AUDIT = "audit"


@app.command("init")
def init(file: FileOption) -> None:
    """Make a keyring with fresh keys. Never overwrites one: without its keys, what they encrypted is lost."""
    from storage.keyring import create_keyring

    try:
        create_keyring(file)
    except FileExistsError:
        raise CommandError(f"{file} exists already; it stays as it is") from None
    except OSError as failure:
        raise CommandError(f"cannot write {file}: {failure.strerror}") from None


@app.command("rotate")
def rotate(ring: Annotated[RingName, typer.Argument(help="Which ring gets a new version.")], file: FileOption) -> None:
    """Add a version to a ring and print its number. Old versions stay, and read what they wrote.

    Give the file to every process and restart them; after `root`, run `hasp keyring rewrap`. A ring that a keyring
    of an earlier version lacks is begun. Audited in the database of HASP_DATABASE_URL, if that is set: without, the
    keyring may have no installation yet.
    """
    from gateway.errors import UnavailableError
    from storage.keyring import IncompleteKeyringError, KeyringError, read_keyring
    from storage.keyring import rotate as add_version

    def add() -> int:
        with suppress(IncompleteKeyringError):
            read_keyring(file)
        return add_version(file, ring)

    database_url = os.environ.get("HASP_DATABASE_URL")
    try:
        print(asyncio.run(_audited(database_url, ring, add)) if database_url else add())
    except (KeyringError, UnavailableError) as failure:
        raise CommandError(str(failure)) from None
    except OSError as failure:
        raise CommandError(f"cannot write {file}: {failure.strerror}") from None


async def _audited(database_url: str, ring: RingName, add: Callable[[], int]) -> int:
    """The version that `add` made, with its entry in the platform's audit log. Without a database nothing is made."""
    from gateway.audit import AuditAction
    from storage.platform_log import write_entry
    from storage.pool import durable, open_pool

    by, pool = operator(), await open_pool(database_url, size=2)
    try:
        async with durable(pool) as connection, connection.transaction():
            version = add()
            await write_entry(
                connection,
                AuditAction.KEYRING_ROTATED,
                entity_type="keyring",
                entity_id=ring.value,
                by=by,
                at=datetime.now(UTC),
                metadata={"version": version},
            )
    finally:
        await pool.close()
    return version


@app.command("rewrap")
def rewrap(
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also what is under the newest key: for a key service that has rotated its own."),
    ] = False,
) -> None:
    """Wrap every organization's data and content keys under the newest root key, and print how many were.

    Safe to repeat. Under a key service that rotates its key by itself, `--all` is what wraps them anew.
    """
    from cli.admin import with_storage
    from storage.root_keys import UnwrapError

    try:
        print(with_storage(lambda storage: _rewrap(storage, everything=everything)))
    except UnwrapError as failure:
        raise CommandError(str(failure)) from None


async def _rewrap(storage: "Storage", *, everything: bool) -> int:
    from gateway.audit import AuditAction
    from gateway.ids import PLATFORM
    from storage.rewrapping import rewrap as wrap_anew

    wrapped = await wrap_anew(storage.pool, storage.root_keys, everything=everything)
    async with storage.as_operator(PLATFORM, command="keyring.rewrap") as tx:
        facts = {"wrapped": wrapped, "root_key": storage.root_keys.name}
        tx.audit(AuditAction.DATA_KEYS_REWRAPPED, entity_type="installation", entity_id=PLATFORM, metadata=facts)
    return wrapped
