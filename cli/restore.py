"""Commands for a database that was restored from a copy."""

import json
from typing import TYPE_CHECKING

import typer

from cli.admin import with_restored_storage
from cli.configuration import load_settings, require_tombstones
from cli.failure import CommandError

if TYPE_CHECKING:
    from storage import Storage

app = typer.Typer(help="After a restore of the database.", no_args_is_help=True)


@app.command("tombstones")
def tombstones() -> None:
    """Erase again whom the copy brought back, and print how many. The API and the worker do it when they start."""
    settings = load_settings()
    if settings.tombstones_file is None:
        raise CommandError("HASP_TOMBSTONES_FILE is not set: nothing says who was erased since the copy was made")
    require_tombstones(settings)

    async def replay(storage: "Storage") -> dict[str, int]:
        replayed = await storage.replay.run()
        return {"tombstones": replayed.tombstones, "erased": replayed.erased}

    print(json.dumps(with_restored_storage(replay)))
