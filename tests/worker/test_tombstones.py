"""A worker goes on with no workflow before the database is held to the tombstones."""

from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.worker.conftest import Line, worker_process


def _refused(line: Line) -> bool:
    return line.get("event") == "tombstones_not_replayed"


def write(file: Path, content: str) -> None:
    file.write_text(content)


@pytest.mark.usefixtures("upkeep")
async def test_a_worker_beside_tombstones_that_it_cannot_trust_polls_nothing_until_they_are_put_right(
    worker_settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "tombstones"
    write(file, "somebody's\n")
    async with worker_process(worker_settings.model_copy(update={"tombstones_file": file})) as worker:
        refused = await worker.line(_refused)
        assert "line 1" in refused["cause"]
        assert "somebody" not in refused["cause"]
        status, body = await worker.ready()
        assert (status, body["dependencies"]["tombstones"], body["dependencies"]["temporal"]) == (503, "down", "down")

        write(file, "")

        await worker.becomes_ready()
        assert (await worker.ready())[1]["dependencies"]["tombstones"] == "up"
