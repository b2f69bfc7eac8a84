"""A changed file is adopted without a restart; a bad one changes nothing."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.catalog import Catalog
from gateway.catalog.reading import key_files, read_catalog, shipped_providers
from gateway.catalog.watch import CatalogWatch
from gateway.errors import NotFoundError
from tests.unit.catalog.test_reading import LLAMA, WARD, Json


class Installation:
    """A catalog, its file and its key's file."""

    def __init__(self, folder: Path) -> None:
        self.file, self.key = folder / "catalog.json", folder / "key"
        self.key.write_text("sk-1")
        self.put({"providers": [self.ward]})
        self.catalog = self._read()
        self.watch = CatalogWatch(self.catalog, read=self._read, files=lambda: (self.file, *key_files(self.file)))

    @property
    def ward(self) -> Json:
        return WARD | {"api_key_file": str(self.key)}

    @property
    def headers(self) -> dict[str, str]:
        provider = self.catalog.provider("ward")
        assert provider
        return provider.key_headers

    def put(self, content: object) -> None:
        """As careful operators do: a new file in the old one's place."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(content))
        fresh.replace(self.file)

    def _read(self) -> Catalog:
        return read_catalog(self.file, shipped=shipped_providers(), environment=lambda _: None)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


async def test_a_model_comes_and_goes_with_the_file(installation: Installation) -> None:
    with pytest.raises(NotFoundError):
        installation.catalog.get("llama-3.3-70b")

    installation.put({"providers": [installation.ward], "models": [LLAMA]})
    await installation.watch.look()
    assert installation.catalog.get("llama-3.3-70b").provider == "ward"

    installation.put({"providers": [installation.ward]})
    await installation.watch.look()
    with pytest.raises(NotFoundError):
        installation.catalog.get("llama-3.3-70b")


async def test_a_file_that_is_not_valid_changes_nothing_and_is_reported_once(installation: Installation) -> None:
    installation.put({"providers": [installation.ward], "models": [LLAMA]})
    await installation.watch.look()
    installation.put({"models": [LLAMA]})

    with capture_logs() as logs:
        await installation.watch.look()
        await installation.watch.look()

    assert [log["event"] for log in logs] == ["catalog_refused"]
    assert logs[0]["problems"] == ["models[0].provider: no provider has this id"]
    assert installation.catalog.get("llama-3.3-70b")


async def test_a_file_that_is_gone_changes_nothing(installation: Installation) -> None:
    installation.file.unlink()

    await installation.watch.look()

    assert installation.catalog.provider("ward")


async def test_a_new_key_is_taken_up(installation: Installation) -> None:
    assert installation.headers == {"authorization": "Bearer sk-1"}

    installation.key.write_text("sk-two")
    await installation.watch.look()

    assert installation.headers == {"authorization": "Bearer sk-two"}


async def test_nothing_is_read_while_nothing_changed(installation: Installation) -> None:
    with capture_logs() as logs:
        await installation.watch.look()

    assert logs == []


async def test_a_surprise_in_reading_is_reported_and_the_next_change_is_seen(installation: Installation) -> None:
    surprises = [RecursionError("sk-1")]

    def read() -> Catalog:
        if surprises:
            raise surprises.pop()
        return read_catalog(installation.file, shipped=shipped_providers(), environment=lambda _: None)

    watch = CatalogWatch(installation.catalog, read=read, files=lambda: (installation.file,))
    installation.put({"providers": []})
    with capture_logs() as logs:
        await watch.look()
    installation.put({"providers": [installation.ward], "models": [LLAMA]})
    await watch.look()

    assert [log["event"] for log in logs] == ["catalog_not_read"]
    assert "sk-1" not in str(logs)
    assert installation.catalog.get("llama-3.3-70b")


async def test_a_key_file_that_the_changed_file_names_first_is_watched(installation: Installation) -> None:
    second = installation.key.with_name("second")
    second.write_text("sk-2")
    installation.put({"providers": [installation.ward | {"api_key_file": str(second)}]})
    await installation.watch.look()
    assert installation.headers == {"authorization": "Bearer sk-2"}

    second.write_text("sk-three")
    await installation.watch.look()

    assert installation.headers == {"authorization": "Bearer sk-three"}
