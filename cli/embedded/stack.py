"""Which parts make up the embedded stack, what each needs, and the environment that ties them together."""

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.demo import Demo
from cli.embedded.home import Home
from cli.embedded.parts import Part, answers
from cli.embedded.ports import LOOPBACK, Ports
from cli.embedded.postgres import Cluster
from cli.embedded.temporal import NAMESPACE, TemporalServer

APPLICATION_ROLE = "hasp_app"
OWNER_PASSWORD = "postgres-owner"  # noqa: S105 - a file's name
APPLICATION_PASSWORD = "postgres-app"  # noqa: S105 - a file's name
SOURCE = str(Path(__file__).parents[2])
DEMO_JOB = "demo"
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound


@dataclass(frozen=True, slots=True)
class Stack:
    """The embedded stack of one home. The user's own `HASP_*` variables reach every part but for those set here."""

    home: Home
    ports: Ports
    environ: Mapping[str, str]

    @property
    def api_host(self) -> str:
        return self.environ.get("HASP_API_HOST") or LOOPBACK

    @property
    def base_url(self) -> str:
        return (
            self.environ.get("HASP_PUBLIC_URL", "").rstrip("/")
            or f"http://{self._reachable_host}:{self.ports.api.number}"
        )

    @property
    def temporal(self) -> TemporalServer:
        folder = self.home.root / "temporal"
        return TemporalServer(folder, self.ports.temporal.number, self.ports.temporal_ui.number)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.home.root, self.ports.postgres.number, self.home.secrets / OWNER_PASSWORD)

    @property
    def _reachable_host(self) -> str:
        return LOOPBACK if self.api_host in ANY_ADDRESS else self.api_host

    def parts(self) -> tuple[Part, ...]:
        """All parts, each after those that it needs."""
        environment = self.environment()
        ports = self.ports
        known = Demo.load(self.home.demo)
        demo = ("demo-seed", "--organization", known.organization_id) if known else ("demo-seed",)
        # A schema known to be current spares the wait for the job that makes sure of it.
        database = "postgres" if known and self._schema_is_current() else DEMO_JOB
        return (
            self.cluster.part(),
            *self.temporal.parts(),
            Part(
                name="sandbox",
                argv=_hasp("sandbox"),
                env=environment,
                ready=answers(LOOPBACK, ports.sandbox.number, "/"),
            ),
            Part(name=DEMO_JOB, argv=_hasp(*demo), env=environment, needs=("postgres",)),
            Part(
                name="worker",
                argv=_hasp("worker"),
                env=environment,
                needs=(database, "namespace"),
                ready=answers(LOOPBACK, ports.worker_health.number, "/readyz"),
            ),
            Part(
                name="api",
                argv=_hasp("api"),
                env=environment,
                needs=(database,),
                ready=answers(self._reachable_host, ports.api.number, "/readyz"),
            ),
        )

    def note_schema(self) -> None:
        """Remember that the cluster has this version's schema."""
        self.home.schema.write_text(_migrations_digest())

    def _schema_is_current(self) -> bool:
        noted = self.home.schema
        return self.cluster.exists and noted.exists() and noted.read_text() == _migrations_digest()

    def make_secrets(self) -> None:
        """Passwords and keys, each made on first use. Safe to repeat."""
        self.home.secret(OWNER_PASSWORD)
        self.home.secret(APPLICATION_PASSWORD)
        self.home.tombstones.touch(mode=0o600)
        # A version that wants a ring more has a migration more, too.
        if not self.home.keyring.exists() or not self._schema_is_current():
            from storage import keyring  # brings the database libraries along: 0.8 s

            if not self.home.keyring.exists():
                keyring.create_keyring(self.home.keyring)
            keyring.complete(self.home.keyring)

    def environment(self) -> dict[str, str]:
        """What every process of ours is started with. An empty `HASP_*` counts as unset."""
        inherited = {name: value for name, value in self.environ.items() if value or not name.startswith("HASP_")}
        return (
            _PARTY
            | {"HASP_TOMBSTONES_FILE": str(self.home.tombstones)}
            | inherited
            | {
                "HASP_HOME": str(self.home.root),
                "HASP_DATABASE_URL": self.cluster.url(APPLICATION_ROLE, self.home.secret(APPLICATION_PASSWORD)),
                "HASP_DATABASE_OWNER_URL": self.cluster.owner_url,
                "HASP_KEYRING_FILE": str(self.home.keyring),
                "HASP_API_HOST": self.api_host,
                "HASP_API_PORT": str(self.ports.api.number),
                "HASP_TEMPORAL_ADDRESS": self.temporal.address,
                "HASP_TEMPORAL_NAMESPACE": NAMESPACE,
                "HASP_TEMPORAL_UI_URL": self.temporal.ui_url,
                "HASP_SANDBOX_PORT": str(self.ports.sandbox.number),
                "HASP_SANDBOX_URL": f"http://{LOOPBACK}:{self.ports.sandbox.number}",
                "HASP_WORKER_HEALTH_PORT": str(self.ports.worker_health.number),
                "PYTHONPATH": os.pathsep.join(filter(None, (SOURCE, self.environ.get("PYTHONPATH")))),
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "",  # unset: the next start is faster for what this one compiles
            }
        )


# Of the demo's agreement, where the operator does not say better.
_PARTY = {"HASP_BAA_OPERATOR_NAME": "Operator of this machine", "HASP_BAA_COUNTERSIGNER": "Operator of this machine"}


def _migrations_digest() -> str:
    digest = hashlib.sha256()
    for migration in sorted(Path(SOURCE, "storage", "migrations", "versions").glob("*.py")):
        digest.update(migration.read_bytes())
    return digest.hexdigest()


def _hasp(*arguments: str) -> tuple[str, ...]:
    # Not from the current directory, which may have a `cli` of its own.
    return (sys.executable, "-P", "-m", "cli", *arguments)
