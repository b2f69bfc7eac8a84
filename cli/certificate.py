"""`hasp audit certificate`: whether the certificate of an erasure is to be believed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from cli.failure import CommandError

if TYPE_CHECKING:
    from gateway.audit.trusted_keys import TrustedKeys

EXIT_UNREADABLE = 2


def certificate(
    document: Annotated[Path, typer.Argument(help="The certificate, as JSON.")],
    keys: Annotated[Path, typer.Option(help="The organization's published keys, as JSON.")],
) -> None:
    """Check the certificate of an erasure offline, and print whom it is about and when the last key copy is gone.

    Exit code 1 when it is not to be believed, 2 when it or the keys cannot be read.
    """
    from gateway.audit.export_format import UnreadableError
    from gateway.audit.export_reading import loads
    from gateway.end_users.certificate import objection

    try:
        said = loads(_read(document), "the certificate")
        trusted = _trusted(_read(keys))
    except UnreadableError as error:
        raise CommandError(f"cannot be read: {error}", exit_code=EXIT_UNREADABLE) from None
    if not isinstance(said, dict):
        raise CommandError("cannot be read: the certificate is no object", exit_code=EXIT_UNREADABLE)
    certified = cast("dict[str, Any]", said)
    refused = objection(certified, trusted)
    if refused is not None:
        print(f"BAD   {refused}")
        raise typer.Exit(1)
    print(f"ok    erasure {certified['erasure_id']} of {certified['organization']['id']}")
    print(f"      person {certified['subject']['digest']}")
    print(
        f"      key destroyed {certified['shredded_at']}, its last copy gone on {certified['backups']['keys_gone_on']}"
    )


def _trusted(keys: bytes) -> "TrustedKeys":
    from gateway.audit.export_format import UnreadableError, read_keys
    from gateway.audit.export_reading import loads
    from gateway.audit.trusted_keys import TrustedKeys

    try:
        return TrustedKeys(read_keys(loads(keys, "the file of keys")).keys)
    except ValueError:
        raise UnreadableError("the file of keys has one that is none") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise CommandError(f"{path}: {failure.strerror}", exit_code=EXIT_UNREADABLE) from None
