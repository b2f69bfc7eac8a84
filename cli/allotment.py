"""`hasp org credits`: an operator changes how many credits an organisation has a period."""

from typing import Annotated

import typer

from cli.admin import OrgOption, organization, with_storage
from gateway.credits.budget import LARGEST_CAP


def org_credits(
    org: OrgOption,
    allotment: Annotated[int, typer.Option(min=0, max=LARGEST_CAP, help="Credits per billing period.")],
) -> None:
    """Change an organization's credits, of the period that runs too. What is spent stays spent."""
    from storage.allotment import change_allotment

    with_storage(lambda storage: change_allotment(storage, organization(org), allotment))
