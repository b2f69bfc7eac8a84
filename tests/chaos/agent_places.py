"""One credential used from every API process at once, and what becomes of its places when a process is killed."""

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp

from storage import Storage
from tests.agents import MadeCredential, make_credential
from tests.chaos.installation import Installation
from tests.tenants import make_tenant

MOST: Final = 3
_ASKED: Final = {"message": "[[sandbox: frames=4000; delay_ms=20]]"}
_GIVE_UP_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many of all who asked at once were let in, and what the others were told."""

    running: int
    refused: list[str]
    again: int
    """How many run after a process that ran some was killed, and others asked until they were let in."""
    refused_again: list[str]


class Places:
    def __init__(self, installation: Installation, storage: Storage, session: aiohttp.ClientSession) -> None:
        self._installation = installation
        self._storage = storage
        self._session = session

    async def crowded(self, *, each: int) -> Crowd:
        """`each` calls on every process under a credential that may run `MOST`; then one that runs some is killed."""
        tenant = await make_tenant(self._storage)
        credential = await make_credential(self._storage, tenant.org, most=MOST)
        parts = [*self._installation.urls]
        answers = await asyncio.gather(*(self._asked(part, credential) for part in parts for _ in range(each)))
        running = [(part, answer) for part, answer in answers if not isinstance(answer, str)]
        refused = [answer for _, answer in answers if isinstance(answer, str)]
        dead, _ = running[0]
        self._installation.kill(dead)
        alive = [(part, answer) for part, answer in running if part != dead]
        elsewhere = next(part for part in parts if part != dead)
        async with asyncio.timeout(_GIVE_UP_S):
            while len(alive) < MOST:
                part, answer = await self._asked(elsewhere, credential)
                if isinstance(answer, str):
                    await asyncio.sleep(0.1)
                else:
                    alive.append((part, answer))
        more = [await self._asked(elsewhere, credential) for _ in range(3)]
        for _, answer in alive:
            answer.close()
        return Crowd(len(running), refused, len(alive), [answer for _, answer in more if isinstance(answer, str)])

    async def _asked(self, part: str, credential: MadeCredential) -> tuple[str, aiohttp.ClientResponse | str]:
        """The process that was asked, and its answer, which has begun; or the code of its refusal."""
        headers = {"authorization": f"Bearer {credential.token}"}
        url = f"{self._installation.urls[part]}/v1/ai/chat"
        answer = await self._session.post(url, json=_ASKED, headers=headers)
        if answer.status == 200:
            return part, answer
        return part, (await answer.json())["error"]["code"]
