"""Commands for the business associate agreement: show, accept, terminate."""

import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from cli.admin import OrgOption, organization, with_storage
from cli.configuration import load_settings
from cli.failure import CommandError
from gateway.baa.acceptance import GRACE_DAYS
from gateway.baa.template import Cover, current_template
from gateway.errors import AgreementNotOfferedError, ValidationFailedError

app = typer.Typer(help="Business associate agreements.", no_args_is_help=True)


@app.command("show")
def show() -> None:
    """Print the agreement's current text, its SHA-256, and what is new in it."""
    template = current_template()
    print(f"{template.text}\nversion {template.version}  sha256 {template.sha256}")
    if template.changes:
        print(f"\nWhat is new, in plain language and no part of the agreement:\n\n{template.changes}")


@app.command("accept")
def accept(
    org: OrgOption,
    signer_name: Annotated[str, typer.Option(help="Who accepts.")],
    signer_title: Annotated[str, typer.Option(help="In which capacity.")],
    signer_email: Annotated[str, typer.Option(help="Where to reach them.")],
    organization_name: Annotated[
        str | None, typer.Option(help="The organization's legal name; default: the one it was created with.")
    ] = None,
    cover: Annotated[list[Cover] | None, typer.Option(help="Repeatable; default: HASP_BAA_COVERS.")] = None,
) -> None:
    """Record an acceptance of the current agreement and put it in force; prints its id.

    A worker makes the signed document of it, if HASP_BAA_OPERATOR_NAME and HASP_BAA_COUNTERSIGNER are set. An
    agreement of the same text that is in force already is left as it is.
    """
    from gateway.baa.countersigning import agreed_end, countersigner
    from gateway.baa.document import require_glyphs
    from gateway.baa.evidence import Signatory
    from gateway.baa.offer import AUTHORITY
    from storage.onboarding import accept_agreement

    settings, operator = load_settings(), None
    words = {"--signer-name": signer_name, "--signer-title": signer_title, "--signer-email": signer_email}
    if organization_name is not None:
        words["--organization-name"] = organization_name
    try:
        signatory = Signatory(signer_name, signer_title, signer_email, AUTHORITY)
        require_glyphs(words, settings.baa_fonts)
    except ValidationFailedError as failure:
        raise CommandError(failure.text) from None
    with suppress(AgreementNotOfferedError):
        operator = countersigner(settings)
    if operator is None:
        print(
            "hasp: there will be no signed document: HASP_BAA_OPERATOR_NAME and HASP_BAA_COUNTERSIGNER do not say who "
            "countersigns",
            file=sys.stderr,
        )
    print(
        with_storage(
            lambda storage: accept_agreement(
                storage,
                organization(org),
                signatory=signatory,
                operator=operator,
                covers=cover or settings.baa_covers,
                expires_at=agreed_end(settings, datetime.now(UTC)),
                organization_name=organization_name,
                fonts=settings.baa_fonts,
            )
        )
    )


@app.command("terminate")
def terminate(
    org: OrgOption,
    notice_days: Annotated[int, typer.Option(min=0, max=365, help="Days that it stays in force; 0: none.")] = 0,
    grace_days: Annotated[
        int, typer.Option(min=0, max=365, help="Days after that in which records can be read and exported.")
    ] = GRACE_DAYS,
) -> None:
    """End the organization's agreement, and what it has accepted since; prints from when on calls are refused."""
    from storage.onboarding import terminate_agreement

    notice = timedelta(days=notice_days)
    end = with_storage(
        lambda storage: terminate_agreement(storage, organization(org), notice=notice, grace_days=grace_days)
    )
    print(end.isoformat())
