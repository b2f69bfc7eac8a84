"""`hasp baa seal` and `hasp baa verify`: the operator's seal on agreements, and whether a document has one."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failure import CommandError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

EXIT_UNREADABLE = 2


def create(
    operator: Annotated[str, typer.Option(envvar="HASP_BAA_OPERATOR_NAME", help="The operator's legal name.")],
    file: Annotated[
        Path, typer.Option("--keyring-file", envvar="HASP_KEYRING_FILE", help="The pair is put beside it.")
    ],
) -> None:
    """Make a self-signed key and certificate to seal agreements with, and print the certificate's file and SHA-256.

    Not needed with files of your own from a certification authority. Never overwrites a pair.
    """
    from gateway.baa.evidence import as_printed
    from gateway.baa.seal import create_seal, files_beside
    from gateway.errors import ValidationFailedError

    files = files_beside(file)
    try:
        seal = create_seal(files, operator=as_printed("--operator", operator), now=datetime.now(UTC))
    except ValidationFailedError as failure:
        raise CommandError(failure.text) from None
    except FileExistsError as failure:
        raise CommandError(f"{failure.filename} exists already; it stays as it is") from None
    except OSError as failure:
        raise CommandError(f"cannot write beside {file}: {failure.strerror}") from None
    print(f"{files.certificate}\nSHA-256 {seal.fingerprint}")


def verify(
    document: Annotated[Path, typer.Argument(help="A signed agreement, as PDF.")],
    certificate: Annotated[
        list[Path],
        typer.Option(help="PEM that you trust: the operator's, or its root's; repeat for the time-stamp authority's."),
    ],
    at: Annotated[
        datetime | None, typer.Option(help="Moment (UTC) when the certificates have to be in force; default: now.")
    ] = None,
) -> None:
    """Say whether a signed agreement is unchanged, and whose seal it has. Needs no network, settings or database.

    Exit code 1: it is not what was sealed. 2: a file cannot be read.
    """
    from gateway.baa.verification import InvalidSealError, verify_seal

    trusted = [one for path in certificate for one in _certificates(path)]
    moment = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    try:
        verdict = asyncio.run(verify_seal(_read(document), trusted, moment))
    except InvalidSealError as failure:
        print(f"BAD   {failure}")
        raise typer.Exit(1) from None
    clock = "the time-stamp authority" if verdict.is_stamped else "the operator's clock"
    print(f"ok    sealed by {verdict.subject}")
    print(f"      at {verdict.sealed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC by {clock}")
    print(f"      certificate SHA-256 {verdict.fingerprint}")


def _certificates(path: Path) -> "list[Certificate]":
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(_read(path))
    except ValueError:
        raise CommandError(f"{path} is no PEM certificate", exit_code=EXIT_UNREADABLE) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failure:
        raise CommandError(f"cannot read {path}: {failure.strerror}", exit_code=EXIT_UNREADABLE) from None
