"""Files found by what they mean, where the operator has a server for it and PostgreSQL has pgvector."""

from collections.abc import AsyncIterator, Sequence

import orjson
import pytest
import pytest_asyncio
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.file_embedding import FileEmbeddingActivities
from activities.file_processing import UploadedFile
from gateway.clock import SystemClock
from gateway.errors import UnavailableError
from gateway.files.meaning import Meaning, Meanings
from gateway.harness.tool import ToolUseContext
from gateway.harness.tools.knowledge_search import KnowledgeSearch
from gateway.harness.tools.terms import Terms
from gateway.ids import FileId, InferenceId, OrganizationId, new_ulid
from gateway.outside.configured_server import ConfiguredServer
from gateway.phi.guard import Guard
from gateway.phi.inline import RuleDetector
from gateway.tenancy import Policy
from storage.files.search import FileSearching
from storage.pool import fetch
from tests.api.files import read, send, uploaded
from tests.gateway_server import GatewayServer
from tests.tenants import COVERS, Tenant, make_tenant

HOUSE = (*COVERS, "self_hosted")
MODEL = "letters"
BOOK = b"\n\n".join(
    (b"The cardiologist on duty is called first. " * 30, b"Visitors leave at eight. " * 50, b"Laundry is done. " * 70)
)
ASKED = "cardiological advice"
"""No word of it stands in the book."""
_KEY = SecretStr("any")


@pytest_asyncio.fixture
async def meanings(gateway_server: GatewayServer) -> AsyncIterator[Meanings]:
    server = ConfiguredServer(f"{gateway_server.sandbox.url}/v1/embeddings", _KEY, called="embedding server")
    yield Meanings(server, MODEL, Guard(RuleDetector()), SystemClock())
    await server.close()


async def ready(server: GatewayServer, tenant: Tenant, content: bytes = BOOK) -> str:
    file = await uploaded(server, tenant, "book.txt", content)
    await read(server, tenant, file)
    return file


async def embedded(server: GatewayServer, tenant: Tenant, file: str, meanings: Meanings | None) -> None:
    async def made() -> Meanings | None:
        return meanings

    embedding = FileEmbeddingActivities(server.storage, made)
    await ActivityEnvironment().run(embedding.embed, UploadedFile(tenant.org, file))


async def found(server: GatewayServer, tenant: Tenant, meanings: Meanings | None, query: str, *files: str) -> str:
    searching = FileSearching(server.storage.pool, server.storage.cipher)
    tool = KnowledgeSearch(searching, Terms(0, 5), meanings)
    access = await server.storage.access.resolve(tenant.token)
    context = ToolUseContext(access, InferenceId(new_ulid()), files=tuple(map(FileId, files)))
    return (await tool.run({"query": query}, context)).text


async def kept(server: GatewayServer, file: str) -> int:
    ((count,),) = await fetch(server.storage.pool, "select count(*) from file_meanings where file_id = %s", [file])
    return count


def sent(server: GatewayServer) -> Sequence[str]:
    asked = [each for each in server.sandbox.requests() if each["path"] == "/v1/embeddings"]
    return [text for each in asked for text in orjson.loads(each["body"])["input"]]


async def test_a_passage_is_found_that_has_none_of_the_words(gateway_server: GatewayServer, meanings: Meanings) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file, other = await ready(gateway_server, tenant), await ready(gateway_server, tenant, b"Nothing of the kind.")
    for each in (file, other):
        await embedded(gateway_server, tenant, each, meanings)

    by_words = await found(gateway_server, tenant, None, ASKED, file, other)
    by_meaning = await found(gateway_server, tenant, meanings, ASKED, file, other)
    assert "Nothing in the files" in by_words
    assert by_meaning.startswith("[book.txt]\nThe cardiologist on duty")


async def test_a_passage_that_both_ways_find_comes_first(gateway_server: GatewayServer, meanings: Meanings) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file = await ready(gateway_server, tenant)
    await embedded(gateway_server, tenant, file, meanings)

    assert (await found(gateway_server, tenant, meanings, "eight visitors", file)).startswith("[book.txt]\nVisitors")


async def test_nobody_is_told_of_persons_in_files_and_questions(
    gateway_server: GatewayServer, meanings: Meanings
) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE, phi_deny_terms=("laundry",))
    file = await ready(gateway_server, tenant, BOOK + b"\n\nHer SSN is 536-90-4399.")
    gateway_server.sandbox.clear()
    await embedded(gateway_server, tenant, file, meanings)
    await found(gateway_server, tenant, meanings, "who has 536-90-4399?", file)

    texts = sent(gateway_server)
    assert texts[-1] == "who has [SSN]?"
    assert not [text for text in texts if "536-90" in text or "laundry" in text.casefold()]


async def test_vectors_stand_in_the_database_turned(gateway_server: GatewayServer, meanings: Meanings) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    files = [await ready(gateway_server, tenant) for _ in range(2)]
    for file in files:
        await embedded(gateway_server, tenant, file, meanings)

    rows = await fetch(
        gateway_server.storage.pool,
        "select a.meaning::vector <#> b.meaning::vector from file_meanings a join file_meanings b using (place)"
        " where a.file_id = %s and b.file_id = %s",
        files,
    )
    assert rows
    assert all(abs(nearness) < 0.5 for (nearness,) in rows), "one text, of two files"


async def test_a_file_is_embedded_where_an_earlier_try_stopped(
    gateway_server: GatewayServer, meanings: Meanings
) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file = await ready(gateway_server, tenant, b"\n\n".join(b"Part %d. " % each + b"word " * 250 for each in range(40)))
    stopping = _Stopping(meanings)
    with pytest.raises(ApplicationError):
        await embedded(gateway_server, tenant, file, stopping)
    first = await kept(gateway_server, file)
    gateway_server.sandbox.clear()
    await embedded(gateway_server, tenant, file, meanings)

    rest = len(sent(gateway_server))
    ((pieces,),) = await fetch(
        gateway_server.storage.pool, "select count(*) from file_chunks where file_id = %s", [file]
    )
    assert (first, first + rest, await kept(gateway_server, file)) == (16, pieces, pieces)


async def test_vectors_of_another_model_are_not_compared(gateway_server: GatewayServer, meanings: Meanings) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file = await ready(gateway_server, tenant)
    await embedded(gateway_server, tenant, file, meanings)
    meanings.model = "another"
    before = await found(gateway_server, tenant, meanings, ASKED, file)
    await embedded(gateway_server, tenant, file, meanings)

    assert "Nothing in the files" in before
    assert "cardiologist" in await found(gateway_server, tenant, meanings, ASKED, file)


async def test_while_the_server_is_away_words_find_what_they_find(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file = await ready(gateway_server, tenant)
    nobody = ConfiguredServer("http://127.0.0.1:9/v1/embeddings", None, called="embedding server")
    away = Meanings(nobody, MODEL, Guard(RuleDetector()), SystemClock())
    with pytest.raises(ApplicationError) as raised:
        await embedded(gateway_server, tenant, file, away)
    answer = await found(gateway_server, tenant, away, "visitors", file)
    await nobody.close()

    assert not raised.value.non_retryable
    assert answer.startswith("[book.txt]\nVisitors")


async def test_an_organisation_whose_agreement_does_not_cover_the_house_sends_nothing(
    gateway_server: GatewayServer, meanings: Meanings
) -> None:
    tenant = await make_tenant(gateway_server.storage)
    file = await ready(gateway_server, tenant)
    gateway_server.sandbox.clear()
    await embedded(gateway_server, tenant, file, meanings)
    await found(gateway_server, tenant, meanings, ASKED, file)

    assert (await kept(gateway_server, file), sent(gateway_server)) == (0, [])


async def test_without_a_server_nothing_is_made(gateway_server: GatewayServer) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file = await ready(gateway_server, tenant)
    await embedded(gateway_server, tenant, file, None)

    assert await kept(gateway_server, file) == 0


async def test_meanings_go_with_their_file(gateway_server: GatewayServer, meanings: Meanings) -> None:
    tenant = await make_tenant(gateway_server.storage, covers=HOUSE)
    file = await ready(gateway_server, tenant)
    await embedded(gateway_server, tenant, file, meanings)
    before = await kept(gateway_server, file)
    await send(gateway_server, tenant, "DELETE", f"/v1/files/{file}")
    await embedded(gateway_server, tenant, file, meanings)

    assert (before > 0, await kept(gateway_server, file)) == (True, 0)


async def test_nobody_finds_meanings_of_others(gateway_server: GatewayServer, meanings: Meanings) -> None:
    tenant, other = [await make_tenant(gateway_server.storage, covers=HOUSE) for _ in range(2)]
    file = await ready(gateway_server, tenant)
    await embedded(gateway_server, other, file, meanings)
    before = await kept(gateway_server, file)
    await embedded(gateway_server, tenant, file, meanings)

    assert before == 0
    assert "Nothing in the files" in await found(gateway_server, other, meanings, ASKED, file)


class _Stopping(Meanings):
    """Goes away after the first question."""

    def __init__(self, meanings: Meanings) -> None:
        self.model = meanings.model
        self._of = meanings.of
        self._asked_before = False

    async def of(
        self, texts: Sequence[str], policy: Policy, *, org: OrganizationId, timeout_s: float
    ) -> Sequence[Meaning | None]:
        if self._asked_before:
            raise UnavailableError
        self._asked_before = True
        return await self._of(texts, policy, org=org, timeout_s=timeout_s)
