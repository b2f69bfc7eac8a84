"""A server that the operator named. Trusted to be where it is; what it says is not trusted at all."""

from typing import Any

import aiohttp
import orjson
from pydantic import JsonValue, SecretStr

from gateway.outside.bounded import BoundedConnector
from gateway.tls import verified_tls

_LARGEST = 2 * 1024 * 1024
_REFUSALS = frozenset({400, 413, 422})


class ServerFailedError(Exception):
    """Why a server gave no answer, in words of ours that models may read.

    `refused` says that it heard what was asked and will not have it: asking again helps nobody.
    """

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class ConfiguredServer:
    """Speaks JSON. `token` goes as a bearer token; redirects are not followed, since it would go along."""

    def __init__(self, url: str, token: SecretStr | None, *, called: str) -> None:
        """`called` is how it is told of: "search server"."""
        self._url = url
        self._headers = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "Hasp-Tool/1.0"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token.get_secret_value()}"
        self._called = called
        self._session: aiohttp.ClientSession | None = None

    async def get(self, query: dict[str, str], *, timeout_s: float) -> JsonValue:
        """Raises `ServerFailedError`."""
        return await self._asked("GET", timeout_s, params=query)

    async def post(self, body: JsonValue, *, timeout_s: float) -> JsonValue:
        """Raises `ServerFailedError`."""
        try:
            sent = orjson.dumps(body)
        except orjson.JSONEncodeError:
            raise ServerFailedError("The input holds text or numbers that cannot be sent.") from None
        return await self._asked("POST", timeout_s, data=sent, headers={"content-type": "application/json"})

    async def close(self) -> None:
        """Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _asked(self, method: str, timeout_s: float, **options: Any) -> JsonValue:  # noqa: ANN401 - the library's
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._opened().request(
                method, self._url, timeout=limit, allow_redirects=False, **options
            ) as answer:
                if answer.status != 200:
                    raise ServerFailedError(
                        f"The {self._called} answered with status {answer.status}.", refused=answer.status in _REFUSALS
                    )
                return orjson.loads(await self._read(answer))
        except TimeoutError:
            raise ServerFailedError(f"The {self._called} took too long.") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise ServerFailedError(f"The {self._called} could not be reached, or its answer not be read.") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                connector=BoundedConnector(most_bytes=2 * _LARGEST, ssl=verified_tls()),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        return self._session

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while piece := await answer.content.readany():
            size += len(piece)
            if size > _LARGEST:
                raise ServerFailedError(f"The {self._called} said too much.")
            pieces.append(piece)
        return b"".join(pieces)
