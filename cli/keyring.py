"""Commands for the keyring file: make it, rotate its rings, wrap data keys anew."""

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.failure import CommandError

app = typer.Typer(help="Root keys, peppers and codec keys.", no_args_is_help=True)

FileOption = Annotated[Path, typer.Option("--file", envvar="HASP_KEYRING_FILE", help="The keyring file, mode 0600.")]


class RingName(StrEnum):
    """What each ring is for is in the keyring's own documentation."""

    ROOT = "root"
    PEPPER = "pepper"
    CODEC = "codec"
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
    of an earlier version lacks is begun.
    """
    from storage.keyring import IncompleteKeyringError, KeyringError, read_keyring
    from storage.keyring import rotate as add_version

    try:
        with suppress(IncompleteKeyringError):
            read_keyring(file)
        print(add_version(file, ring))
    except KeyringError as failure:
        raise CommandError(str(failure)) from None
    except OSError as failure:
        raise CommandError(f"cannot write {file}: {failure.strerror}") from None


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
    from storage.rewrapping import rewrap as wrap_anew
    from storage.root_keys import UnwrapError

    try:
        print(with_storage(lambda storage: wrap_anew(storage.pool, storage.root_keys, everything=everything)))
    except UnwrapError as failure:
        raise CommandError(str(failure)) from None
