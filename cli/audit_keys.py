"""Commands for the audit log's published keys."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.admin import with_storage

app = typer.Typer(help="The keys that sign the audit log.", no_args_is_help=True)

KeyArgument = Annotated[str, typer.Argument(help="Its id, as `hasp audit keys list` shows it.")]


@app.command("list")
def list_keys() -> None:
    """Every key that ever signed: its id, status, and since when."""
    from storage.audit_keys import audit_keys

    for known in with_storage(lambda storage: audit_keys(storage.pool)):
        key = known.key
        times = {"published": key.published_at, "retired": key.retired_at, "revoked": known.revoked_at}
        told = [f"{what} {at:%Y-%m-%dT%H:%M:%SZ}" for what, at in times.items() if at is not None]
        print("  ".join([key.key_id, f"{key.status:<8}", *told]))


@app.command("retire")
def retire(key_id: KeyArgument) -> None:
    """Have a key sign nothing more. What it signed stays good.

    `hasp keyring rotate audit` and a restart of the workers do this for the key before. Without another key nothing
    is sealed any more, and the workers are not ready.
    """
    from storage import audit_keys

    now = datetime.now(UTC)
    is_new = with_storage(
        lambda storage: audit_keys.retire(storage.pool, key_id, at=now, by=storage.acting_as("audit.keys.retire"))
    )
    print("retired" if is_new else "was not active")


@app.command("revoke")
def revoke(key_id: KeyArgument) -> None:
    """Tell the world to trust nothing that a key signed: somebody else may have it. This cannot be undone."""
    from storage import audit_keys

    now = datetime.now(UTC)
    is_new = with_storage(
        lambda storage: audit_keys.revoke(storage.pool, key_id, at=now, by=storage.acting_as("audit.keys.revoke"))
    )
    print("revoked" if is_new else "was revoked")
