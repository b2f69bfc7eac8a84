"""What wraps data keys: root keys of the keyring file, or a key management service."""

import base64
import os
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.keyring import Ring

_NONCE_BYTES = 12


class UnwrapError(Exception):
    """A data key could not be unwrapped: wrong root key, or a changed ciphertext."""


class RootKeys(Protocol):
    """Wraps data keys. `context` is bound to the result: another context does not unwrap it."""

    @property
    def name(self) -> str:
        """Which key `wrap` uses now, so that rotation can tell what still needs re-wrapping."""
        ...

    async def wrap(self, data_key: bytes, *, context: bytes) -> bytes: ...

    async def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        """Raises `UnwrapError`."""
        ...

    async def close(self) -> None: ...


class FileRootKeys:
    """AES-256-GCM under the keyring's `root` ring. Format: version (4 bytes), nonce, ciphertext."""

    def __init__(self, ring: Ring) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in ring.keys.items()}
        self._newest = ring.newest

    @property
    def name(self) -> str:
        return f"file:{self._newest}"

    async def wrap(self, data_key: bytes, *, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, data_key, context)
        return self._newest.to_bytes(4, "big") + nonce + sealed

    async def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        cipher = self._ciphers.get(int.from_bytes(wrapped[:4], "big"))
        if cipher is None:
            raise UnwrapError("the keyring lacks the root key this data key was wrapped under")
        try:
            return cipher.decrypt(wrapped[4 : 4 + _NONCE_BYTES], wrapped[4 + _NONCE_BYTES :], context)
        except InvalidTag:
            raise UnwrapError("the wrapped data key does not authenticate") from None

    async def close(self) -> None:
        pass


class VaultRootKeys:
    """HashiCorp Vault's Transit engine (https://developer.hashicorp.com/vault/api-docs/secret/transit).

    The root key never leaves Vault. Its key must be of an AEAD type, since the
    context travels as `associated_data`.
    """

    def __init__(self, *, address: str, token: str, key: str) -> None:
        self._address = address
        self._token = token
        self._key = key
        self._http: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        return f"vault:{self._key}"

    async def wrap(self, data_key: bytes, *, context: bytes) -> bytes:
        data = await self._ask("encrypt", {"plaintext": _text(data_key), "associated_data": _text(context)})
        return data["ciphertext"].encode()

    async def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        data = await self._ask("decrypt", {"ciphertext": wrapped.decode(), "associated_data": _text(context)})
        return base64.b64decode(data["plaintext"])

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, verb: str, body: dict[str, str]) -> dict[str, str]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5), trust_env=False)
        url = f"{self._address}/v1/transit/{verb}/{self._key}"
        try:
            async with self._http.post(url, json=body, headers={"X-Vault-Token": self._token}) as answer:
                if answer.status != 200:
                    raise UnwrapError(f"the key service answered {answer.status}")
                document: dict[str, dict[str, str]] = await answer.json()
                return document["data"]
        except (aiohttp.ClientError, TimeoutError, KeyError) as error:
            raise UnwrapError(f"the key service failed: {type(error).__name__}") from None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
