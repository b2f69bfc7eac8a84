"""What is in an export, as whoever unpacks it finds it."""

import asyncio
import hashlib
import io
import os
import zipfile
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import bagit  # pyright: ignore[reportMissingTypeStubs]
import orjson
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from gateway.end_users.exports import Dataset, EndUserExport
from gateway.ids import ConversationId, new_ulid, request_id
from storage import Storage
from storage.end_users.exports import composing, subject, writing
from storage.end_users.exports.bag import stream_bag
from storage.end_users.exports.document import stream_document
from storage.end_users.exports.reading import StoredExport, open_stored
from storage.pool import fetch
from tests.end_user_exports import (
    FINDING,
    NAME,
    ask,
    document_of,
    exported,
    make_named_call,
    state_of,
    whole,
    write,
)
from tests.storage.webhooks import put_endpoint
from tests.tenants import Tenant, make_tenant


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "MOST_RECORDS", 2)
    monkeypatch.setattr(subject, "WINDOW", 3)
    monkeypatch.setattr(writing, "SETTLES_S", 0)


async def busy_tenant(storage: Storage) -> Tenant:
    """Somebody of whom there is something in every set."""
    tenant = await make_tenant(storage)
    await put_endpoint(storage, tenant)
    thread = ConversationId(new_ulid())
    for _ in range(3):
        await make_named_call(storage, tenant, thread=thread)
    return tenant


async def ready(storage: Storage, tenant: Tenant) -> tuple[EndUserExport, StoredExport]:
    asked = await ask(storage, tenant)
    await write(storage, tenant, asked)
    export = await state_of(storage, tenant, asked)
    return export, await open_stored(storage.pool, storage.cipher, tenant.org, export)


async def unpacked(stored: StoredExport, into: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(await whole(stream_bag(stored)))) as archive:
        assert archive.testzip() is None
        archive.extractall(into)
    return into / f"end-user-export-{stored.export.id}"


async def test_a_stock_tool_finds_the_bag_valid(storage: Storage, tmp_path: Path) -> None:
    export, stored = await ready(storage, await busy_tenant(storage))

    bag = bagit.Bag(str(await unpacked(stored, tmp_path)))

    assert bag.validate() is True
    assert bag.info["External-Identifier"] == export.id  # pyright: ignore[reportUnknownMemberType] - has no types


async def test_a_stock_tool_finds_a_changed_bag_invalid(storage: Storage, tmp_path: Path) -> None:
    _, stored = await ready(storage, await busy_tenant(storage))
    folder = await unpacked(stored, tmp_path)

    usage = folder / "data/usage-000001.ndjson"
    usage.write_bytes(usage.read_bytes().replace(b'"credits":10', b'"credits":11'))

    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(folder)).validate()


async def test_the_manifest_of_the_bag_is_the_one_that_was_told(storage: Storage, tmp_path: Path) -> None:
    export, stored = await ready(storage, await busy_tenant(storage))
    folder = await unpacked(stored, tmp_path)

    told = await asyncio.to_thread(_sha256, folder / "manifest-sha256.txt")

    assert told == export.manifest_sha256


async def test_every_record_is_as_the_schema_in_the_bag_says(storage: Storage, tmp_path: Path) -> None:
    _, stored = await ready(storage, await busy_tenant(storage))
    data = await unpacked(stored, tmp_path) / "data"

    for dataset in Dataset:
        schema = orjson.loads((data / "schemas" / f"{dataset}.schema.json").read_bytes())
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        lines = [line for file in sorted(data.glob(f"{dataset}-*.ndjson")) for line in file.read_bytes().splitlines()]
        assert lines, dataset
        for line in lines:
            validator.validate(orjson.loads(line))  # pyright: ignore[reportUnknownMemberType] - has few types


async def test_a_bag_is_the_same_each_time_it_is_sent(storage: Storage) -> None:
    _, stored = await ready(storage, await busy_tenant(storage))

    assert await whole(stream_bag(stored)) == await whole(stream_bag(stored))


@pytest.mark.parametrize("stream", [stream_bag, stream_document])
async def test_a_long_record_is_sent_in_small_pieces(
    storage: Storage, stream: Callable[[StoredExport], AsyncIterator[bytes]]
) -> None:
    tenant = await make_tenant(storage)
    await make_named_call(storage, tenant, said=os.urandom(1_000_000).hex())
    _, stored = await ready(storage, tenant)

    assert max([len(piece) async for piece in stream(stored)]) <= 256 * 1024


async def test_the_document_says_what_the_bag_says(storage: Storage, tmp_path: Path) -> None:
    tenant = await busy_tenant(storage)
    export, stored = await ready(storage, tenant)
    data = await unpacked(stored, tmp_path) / "data"

    document = await document_of(storage, tenant, export)

    for dataset in Dataset:
        lines = [line for file in sorted(data.glob(f"{dataset}-*.ndjson")) for line in file.read_bytes().splitlines()]
        said = document[dataset] if dataset is not Dataset.PROFILE else [document[dataset]]
        assert said == [orjson.loads(line) for line in lines]


async def test_the_document_of_somebody_without_calls_says_so(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    await storage.end_users.of(tenant.org, NAME)

    document = await exported(storage, tenant)

    assert document["profile"]["name"] == NAME
    assert [document[each] for each in ("conversations", "inferences", "findings", "usage", "webhooks")] == [[]] * 5


async def test_an_inference_has_what_was_said(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = await make_named_call(storage, tenant, said="Take two a day.")

    document = await exported(storage, tenant)

    (inference,) = document["inferences"]
    assert inference["id"] == call.id
    assert inference["content"] == "kept"
    assert inference["request"]["messages"] == [{"role": "user", "content": "Maria asks"}]
    assert inference["answer"]["content"] == [{"type": "text", "text": "Take two a day."}]


async def test_findings_and_usage_are_of_their_inference(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    call = await make_named_call(storage, tenant)

    document = await exported(storage, tenant)

    ((findings,), (usage,)) = document["findings"], document["usage"]
    assert findings["inference_id"] == usage["inference_id"] == call.id
    assert [each["slot"] for each in findings["findings"]] == [FINDING.slot]
    assert (usage["input_tokens"], usage["output_tokens"], usage["credits"]) == (20, 10, 10)


async def test_calls_of_one_thread_are_one_conversation(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    threads = [ConversationId(new_ulid()) for _ in range(2)]
    for thread in [threads[0], None, threads[1], threads[0], threads[0], threads[0]]:
        await make_named_call(storage, tenant, thread=thread)
    await make_named_call(storage, tenant, "someone.else", thread=threads[1])

    document = await exported(storage, tenant)

    told = [(each["id"], each["inferences"]) for each in document["conversations"]]
    assert told == [(threads[0], 4), (threads[1], 1)]
    began, ended = (datetime.fromisoformat(document["conversations"][0][at]) for at in ("started_at", "last_at"))
    assert began < ended


async def test_webhooks_that_named_the_person_are_told_of(storage: Storage) -> None:
    tenant = await make_tenant(storage)
    endpoint = await put_endpoint(storage, tenant, ["ai.request.completed"])
    calls = [await make_named_call(storage, tenant, name) for name in (NAME, "someone.else", None, NAME)]
    await fetch(
        storage.pool,
        "update webhook_deliveries set state = 'delivered', finished_at = now() where id = ("
        " select min(id) from webhook_deliveries where org_id = %s) returning 1",
        [tenant.org],
    )

    document = await exported(storage, tenant)

    assert [each["data"]["request_id"] for each in document["webhooks"]] == [
        request_id(calls[0].id),
        request_id(calls[3].id),
    ]
    assert [each["endpoint_id"] for each in document["webhooks"]] == [endpoint] * 2
    assert [each["host"] for each in document["webhooks"]] == ["hooks.example"] * 2
    assert [each["delivered_at"] is not None for each in document["webhooks"]] == [True, False]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
