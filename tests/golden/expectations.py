"""What each recorded input comes to: the files that belong beside it, as they should be.

`requests/<case>.json` is a client's body for `/v1/messages`; beside it,
`<case>.<dialect>.json` is what that vendor is sent, `<case>.<dialect>.error.json`
how it is refused instead, and `<case>.error.json` how it is before any vendor
comes into it. `answers`, `streams` and `errors` hold what a vendor says, by
dialect; beside each is what a surface makes of it.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from api.anthropic import translate
from api.anthropic.translate import Parsed
from gateway.catalog import Dialect
from gateway.errors import GatewayError
from gateway.providers.transport import Transport
from tests.golden.dialects import DIALECTS, provider_at
from tests.golden.surfaces import SURFACES, ShownSurface, call_of, pretty, shown_answer, shown_error, shown_stream
from tests.golden.vendor import Vendor, replaying_vendor
from tests.unit.providers.cases import conversation, settings

ROOT = Path(__file__).parent


def sources(kind: str = "*") -> list[Path]:
    """Every recorded input of one kind: a folder of `ROOT`."""
    return sorted(path for path in ROOT.glob(f"{kind}/**/*.*") if path.suffix in {".json", ".sse"} and _is_input(path))


def expectations(source: Path) -> dict[str, bytes]:
    """The files beside `source`, by name."""
    return {path.name: path.read_bytes() for path in source.parent.glob(f"{source.stem}.*") if not _is_input(path)}


def _is_input(path: Path) -> bool:
    return path.name.count(".") == 1


class Recorder:
    """Runs inputs through the gateway. One serves a whole run."""

    def __init__(self, vendor: Vendor, transport: Transport) -> None:
        self._vendor = vendor
        self._transport = transport

    async def record(self, source: Path) -> dict[str, bytes]:
        """The files that belong beside `source`, by name."""
        kind, *folders = source.relative_to(ROOT).parts[:-1]
        if kind == "requests":
            return await self._requests(source)
        dialect = Dialect(folders[0])
        recorded: dict[str, bytes] = {}
        for name, surface in SURFACES.items():
            suffix, shown = await self._shown(kind, source, dialect, surface)
            recorded[f"{source.stem}.{name}{suffix}"] = shown
        return recorded

    async def _requests(self, source: Path) -> dict[str, bytes]:
        surface = SURFACES["messages"]
        try:
            parsed = _parsed(source)
        except GatewayError as refusal:
            return {f"{source.stem}.error.json": shown_error(surface, refusal)}
        recorded: dict[str, bytes] = {}
        for name, dialect in DIALECTS.items():
            provider = provider_at(self._vendor.url, name, self._transport)
            call = call_of(surface, dialect.model.id, parsed.conversation, stream=parsed.stream)
            self._vendor.answers(_said(name, stream=parsed.stream))
            show = shown_stream if parsed.stream else shown_answer
            try:
                await show(surface, provider, call)
            except GatewayError as refusal:
                recorded[f"{source.stem}.{name}.error.json"] = shown_error(surface, refusal)
            else:
                recorded[f"{source.stem}.{name}.json"] = pretty(orjson.loads(self._vendor.sent))
        return recorded

    async def _shown(self, kind: str, source: Path, dialect: Dialect, surface: ShownSurface) -> tuple[str, bytes]:
        """A vendor's answer as `surface` shows it, and the suffix of its file: `.error.json` for a refusal."""
        provider = provider_at(self._vendor.url, dialect, self._transport)
        streamed = kind == "streams"
        call = call_of(surface, DIALECTS[dialect].model.id, conversation(), stream=streamed)
        self._answer_with(kind, source)
        try:
            if streamed:
                return ".sse", await shown_stream(surface, provider, call)
            return ".json", await shown_answer(surface, provider, call)
        except GatewayError as refusal:
            return ".error.json", shown_error(surface, refusal)

    def _answer_with(self, kind: str, source: Path) -> None:
        if kind == "errors":
            said = orjson.loads(source.read_bytes())
            self._vendor.answers(orjson.dumps(said["body"]), status=said["status"], headers=said["headers"])
        else:
            self._vendor.answers(source.read_bytes())


@asynccontextmanager
async def recorder() -> AsyncGenerator[Recorder]:
    async with replaying_vendor() as vendor:
        transport = Transport(settings())
        await transport.open()
        try:
            yield Recorder(vendor, transport)
        finally:
            await transport.close()


def _parsed(source: Path) -> Parsed:
    return translate.create_message(source.read_bytes())


def _said(dialect: str, *, stream: bool) -> bytes:
    """Any answer of the dialect's, for where only the question matters."""
    path = ROOT / "streams" / dialect / "basic.sse" if stream else ROOT / "answers" / dialect / "basic.json"
    return path.read_bytes()
