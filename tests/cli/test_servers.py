"""The embedded PostgreSQL and Temporal themselves: what survives, what is refused."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest

from cli.embedded import launch
from cli.embedded.home import Home
from cli.embedded.parts import Part
from cli.embedded.postgres import Cluster
from cli.embedded.supervisor import Supervisor
from cli.embedded.temporal import SEARCH_ATTRIBUTES, TemporalServer, binary
from tests.embedded import free_port


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def cluster(home: Home) -> Cluster:
    home.secret("owner")
    return Cluster(home.root, free_port(), home.secrets / "owner")


def started(parts: list[Part], home: Home) -> Supervisor:
    return Supervisor(parts, logs=home.logs, say=lambda _: None)


async def test_committed_rows_survive_the_kill_of_the_server_and_a_restart(cluster: Cluster, home: Home) -> None:
    async with started([cluster.part()], home) as supervisor:
        await supervisor.start()
        with psycopg.connect(cluster.owner_url) as connection:
            connection.execute("create table kept as select 42 as answer")
        os.kill(int((cluster.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        assert await answer_once_up(cluster.owner_url) == 42
    async with started([cluster.part()], home) as supervisor:
        await supervisor.start()
        assert await answer_once_up(cluster.owner_url) == 42


async def answer_once_up(url: str) -> int:
    async with asyncio.timeout(20):
        while True:
            try:
                with psycopg.connect(url) as connection:
                    row = connection.execute("select answer from kept").fetchone()
                    assert row
                    return row[0]
            except psycopg.OperationalError:
                await asyncio.sleep(0)


async def test_postgres_listens_on_the_loopback_and_asks_for_its_password(cluster: Cluster, home: Home) -> None:
    assert cluster.password_file.stat().st_mode & 0o777 == 0o600
    async with started([cluster.part()], home) as supervisor:
        await supervisor.start()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(cluster.url("hasp", "wrong"))
        with psycopg.connect(cluster.owner_url) as connection:
            shown = connection.execute(
                "select current_setting('listen_addresses'), current_setting('unix_socket_directories'),"
                " datlocprovider::text, datlocale from pg_database where datname = current_database()"
            ).fetchone()
    assert shown == ("127.0.0.1", "", "b", "C.UTF-8")


async def test_a_half_made_cluster_is_made_anew(cluster: Cluster, home: Home) -> None:
    draft = cluster.data.with_name(cluster.data.name + ".new")
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    await cluster.initialise()
    assert not draft.exists()
    assert (cluster.data / "PG_VERSION").read_text() == "18\n"


async def test_search_attributes_and_retention_reach_a_database_that_lacks_them(home: Home) -> None:
    server = TemporalServer(home.root / "temporal", free_port(), free_port())
    runs_server, namespace = server.parts()
    forgets = [word for word in runs_server.argv if word != "--search-attribute" and "=Keyword" not in word]
    async with started([Part("temporal", tuple(forgets), runs_server.env, runs_server.ready)], home) as supervisor:
        (home.root / "temporal").mkdir()
        await supervisor.start()
        assert described(server)["config"].get("customSearchAttributeAliases", {}) == {}
    async with started([runs_server, namespace], home) as supervisor:
        await supervisor.start()
        config = described(server)["config"]
    assert config["workflowExecutionRetentionTtl"] == f"{7 * 24 * 3600}s"
    assert set(config["customSearchAttributeAliases"].values()) == set(SEARCH_ATTRIBUTES)


def described(server: TemporalServer) -> dict[str, dict[str, dict[str, str]]]:
    with urllib.request.urlopen(f"{server.ui_url}/api/v1/namespaces/hasp") as answer:
        return json.load(answer)


def test_the_temporal_server_ignores_the_users_own_temporal_environment(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere:7233")
    environment = TemporalServer(home.root, 1, 2).parts()[0].env
    assert "TEMPORAL_ADDRESS" not in environment
    assert environment["TEMPORAL_DISABLE_CONFIG_FILE"] == "1"
    assert Path(binary()).exists()


def in_namespace(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as root of a user and mount namespace of its own, which any user may have."""
    argv = ["unshare", "-rm", "/bin/sh", "-euc", script, *arguments]
    if subprocess.run([*argv[:4], "-c", "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces on this machine")
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_root_without_user_namespaces_is_told_so_in_one_line() -> None:
    run_true = launch.command(("/bin/true",), stop_signal=signal.SIGTERM, unroot=True)
    script = 'echo 0 > /proc/sys/user/max_user_namespaces; "$0" "$@"'
    answer = in_namespace(script, *run_true)
    assert answer.returncode == 1
    assert answer.stderr == (
        "user namespaces are off here, and PostgreSQL does not run as root: start Hasp as an ordinary user\n"
    )


def test_a_full_disk_stops_the_start_in_one_line(tmp_path: Path) -> None:
    script = f'mount -t tmpfs -o size=2m none {tmp_path}; "$0" -m cli up --home {tmp_path}'
    answer = in_namespace(script, sys.executable)
    assert answer.returncode == 1
    assert answer.stderr == (
        f"hasp: the disk is full: 2 MB free at {tmp_path}, 512 MB needed; make room or point HASP_HOME elsewhere\n"
    )


def test_a_disk_that_fills_while_the_database_is_made_is_one_line(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from cli.embedded.postgres import Cluster\n"
        "from cli.failure import CommandError\n"
        "home = pathlib.Path(sys.argv[1]); (home / 'pw').write_text('secret')\n"
        "try: asyncio.run(Cluster(home, 1, home / 'pw').initialise())\n"
        "except CommandError as failure: print(failure.line)\n"
    )
    script = f'mount -t tmpfs -o size=8m none {tmp_path}; "$0" -c "$1" {tmp_path}'
    answer = in_namespace(script, sys.executable, program)
    assert answer.stdout == f"the disk is full: initdb could not write to {tmp_path}\n"
