"""`hasp catalog check`: what an operator's catalog file comes to, without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.catalog import Catalog

app = typer.Typer(help="Models and providers.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `check` a command of its own: alone, it would take the group's place."""


@app.command("check")
def check(
    file: Annotated[
        Path | None, typer.Argument(envvar="HASP_CATALOG_FILE", help="The file; without one, what is shipped.")
    ] = None,
) -> None:
    """Read a catalog file as the gateway would at start, and list its providers and models.

    Names every fault, a line each, and exits with 2. Calls nobody, and shows no key.
    """
    from cli.configuration import require_catalog

    _show(require_catalog(file))


def _show(catalog: "Catalog") -> None:
    for provider in catalog.providers:
        key = "a key" if provider.api_key else "the vendor's setting" if provider.needs_key else "no key"
        print(f"{provider.id}: {provider.dialect} at {provider.base_url}, {provider.covered_by}, {key}")
        for model in catalog.models_of(provider.id):
            instead = f", or {', '.join(model.equivalents)}" if model.equivalents else ""
            print(f"  {model.id} ({', '.join(sorted(model.abilities)) or 'text only'}){instead}")
            for change in model.price_changes:
                print(f"    from {change.effective_at.isoformat()}: other {', '.join(sorted(change.changed))}")
