"""The `hasp` command. Heavy imports stay inside the commands that need them, so that `hasp up` starts at once."""

import asyncio
import atexit
import errno
import resource
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cli import (
    admin,
    agents,
    allotment,
    audit,
    audit_keys,
    audit_review,
    baa,
    books,
    catalog,
    certificate,
    end_users,
    keyring,
    keys,
    phi,
    policy,
    restore,
    retention,
    seal,
    webhooks,
)
from cli.failure import CommandError
from cli.operator import operator

EXIT_INTERRUPTED = 130
GRACEFUL_SHUTDOWN_S = 30
# Longer than the minute that balancers and SDK pools keep idle connections: who closes first must not be us.
KEEP_ALIVE_S = 75

app = typer.Typer(
    name="hasp",
    help="A self-hosted HIPAA-grade AI gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keyring.app, name="keyring")
admin.org_app.command("policy")(policy.org_policy)
admin.org_app.command("credits")(allotment.org_credits)
app.add_typer(admin.org_app, name="org")
app.add_typer(keys.app, name="key")
audit.app.add_typer(audit_keys.app, name="keys")
audit.app.command("review")(audit_review.review)
audit.app.command("certificate")(certificate.certificate)
app.add_typer(audit.app, name="audit")
baa.app.command("seal")(seal.create)
baa.app.command("verify")(seal.verify)
app.add_typer(baa.app, name="baa")
app.add_typer(phi.app, name="phi")
app.add_typer(books.app, name="books")
app.add_typer(retention.app, name="retention")
app.add_typer(restore.app, name="restore")
app.add_typer(catalog.app, name="catalog")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(agents.app, name="agent")
app.add_typer(end_users.app, name="end-user")

HomeOption = Annotated[Path, typer.Option("--home", envvar="HASP_HOME", help="Folder that keeps all state.")]


@app.command()
def up(home: HomeOption = Path(".hasp")) -> None:
    """Run the whole stack on this machine: PostgreSQL, Temporal, worker, API and sandbox. Ctrl-C stops it."""
    from cli.embedded import run

    run.up(home)


@app.command()
def down(home: HomeOption = Path(".hasp")) -> None:
    """Stop the stack that `hasp up` runs, and wait until every part has stopped."""
    from cli.embedded import run

    run.down(home)


@app.command()
def api() -> None:
    """Serve the HTTP API until a signal stops it; running calls get 30 s to finish."""
    import uvicorn

    from cli.configuration import (
        load_settings,
        require_auto_table,
        require_catalog,
        require_keyring,
        require_mcp_servers,
        require_model,
        require_tiers,
        require_tombstones,
    )

    settings = load_settings()
    require_keyring(settings)
    require_tombstones(settings)
    require_catalog(settings.catalog_file)
    require_tiers(settings)
    require_auto_table(settings)
    require_mcp_servers(settings)
    require_model(settings)
    _leave_no_core()
    _outlive_temporal_threads()
    uvicorn.run(
        "api.main:create_app",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        workers=settings.api_workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,  # the application sets up logging: one format, one allow-list of fields
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


@app.command()
def worker() -> None:
    """Run workflows and activities until a signal stops it; running activities get HASP_WORKER_DRAIN_S to finish."""
    from cli.configuration import (
        load_settings,
        require_auto_table,
        require_catalog,
        require_keyring,
        require_mcp_servers,
        require_tiers,
        require_time_stamp_roots,
        require_tombstones,
    )

    settings = load_settings()
    require_keyring(settings)
    require_tombstones(settings, to_write=True)
    require_catalog(settings.catalog_file)
    require_tiers(settings)
    require_auto_table(settings)
    require_mcp_servers(settings)
    require_time_stamp_roots(settings)
    from worker.main import run

    _leave_no_core()
    _outlive_temporal_threads()
    asyncio.run(run(settings))


@app.command()
def migrate() -> None:
    """Bring the database schema up to date as HASP_DATABASE_OWNER_URL, and the application's role with it."""
    from cli.configuration import EXIT_CONFIGURATION, load_settings

    settings = load_settings()
    if settings.database_owner_url is None:
        raise CommandError("configuration: HASP_DATABASE_OWNER_URL is not set", exit_code=EXIT_CONFIGURATION)
    from sqlalchemy.exc import OperationalError

    from storage.migrate import StillRunningError, migrate

    try:
        migrate(settings, by=operator())
    except StillRunningError:
        raise CommandError(
            "this upgrade changes how credits are booked: stop every `hasp api` and `hasp worker`, then migrate"
        ) from None
    except OperationalError as failure:
        reason = str(failure.orig).strip().partition("\n")[0]
        raise CommandError(f"cannot migrate as HASP_DATABASE_OWNER_URL: {reason}") from None


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(envvar="HASP_SANDBOX_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="HASP_SANDBOX_PORT", min=1, max=65535, help="Port to listen on.")] = 8090,
) -> None:
    """Serve the stand-in upstream, which speaks both vendors' wire formats."""
    from sandbox.__main__ import main as serve

    serve(["--host", host, "--port", str(port)])


@app.command("demo-seed", hidden=True)
def demo_seed(
    organization: Annotated[str | None, typer.Option(help="The demo organization, if there is one already.")] = None,
) -> None:
    """Migrate, make the demo organization if it is not there, and print it as JSON: one process, for a quick `up`."""
    migrate()
    admin.demo_seed(organization)


def _leave_no_core() -> None:
    """Let no crash, of this process or of one it starts, write memory to a disk: requests and keys are in it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _outlive_temporal_threads() -> None:
    """Let the Temporal client's native threads end before the interpreter does, or it may abort (sdk-python#300)."""
    atexit.register(time.sleep, 0.2)


def main() -> None:
    """Run the command line. A foreseen failure is one line on stderr and an exit code, never a traceback."""
    try:
        app()
    except CommandError as failure:
        sys.exit(_line(failure.line, failure.exit_code))
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except OSError as failure:
        if failure.errno != errno.ENOSPC:
            raise
        sys.exit(_line(f"the disk is full: {failure.filename or 'a file'} could not be written", 1))


def _line(text: str, exit_code: int) -> int:
    print(f"hasp: {text}", file=sys.stderr)
    return exit_code
