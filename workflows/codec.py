"""What rests in Temporal is ciphertext: AES-256-GCM over every payload, failures and headers included.

Temporal's history is a second database, kept for months and shown in a UI.
Workflows pass ids and counts only; this is the second wall. Names, workflow
ids, search attributes and failure types stay readable: none may hold content.
"""

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

HEADERS = HeaderCodecBehavior.CODEC
"""For every client and replayer: what travels in headers is a payload like any other."""

_ENCODING = b"binary/encrypted"
_CIPHER = b"AES-256-GCM"
_NONCE_BYTES = 12


class PayloadError(Exception):
    """A payload cannot be read. The text names a key version or the fault, never what was in it."""


class EncryptionCodec(PayloadCodec):
    """Encrypts with the newest key, decrypts with the one a payload names.

    The namespace and the key's version are authenticated, so a payload copied
    from another namespace is refused. So is one that is not encrypted: whoever
    can write to Temporal but has no key must not be able to feed a workflow.
    Keys need replacing before 2**32 payloads (NIST SP 800-38D, random nonces).
    """

    def __init__(self, keys: Mapping[int, bytes], namespace: str) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._newest = max(keys)
        self._namespace = namespace

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._sealed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises `PayloadError`."""
        return [self._opened(payload) for payload in payloads]

    def _sealed(self, payload: Payload) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._newest].encrypt(nonce, payload.SerializeToString(), self._bound_to(self._newest))
        metadata = {
            "encoding": _ENCODING,
            "encryption-cipher": _CIPHER,
            "encryption-key-id": str(self._newest).encode(),
        }
        return Payload(metadata=metadata, data=nonce + sealed)

    def _opened(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != _ENCODING or payload.metadata.get("encryption-cipher") != _CIPHER:
            raise PayloadError("a payload is not encrypted with AES-256-GCM; refusing to read it")
        version = _version(payload)
        cipher = self._ciphers.get(version)
        if cipher is None:
            raise PayloadError(f"a payload needs codec key {version}, which is not in this process's keyring")
        nonce, sealed = payload.data[:_NONCE_BYTES], payload.data[_NONCE_BYTES:]
        try:
            return Payload.FromString(cipher.decrypt(nonce, sealed, self._bound_to(version)))
        except (InvalidTag, ValueError):
            raise PayloadError(f"a payload does not open with codec key {version} in this namespace") from None

    def _bound_to(self, version: int) -> bytes:
        return f"hasp:temporal:{self._namespace}:{version}".encode()


def data_converter(keys: Mapping[int, bytes], namespace: str) -> DataConverter:
    """The one converter of every client, worker, test and replay. `keys` is the keyring's `codec` ring."""
    return DataConverter(
        payload_codec=EncryptionCodec(keys, namespace),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def _version(payload: Payload) -> int:
    try:
        return int(payload.metadata.get("encryption-key-id", b""))
    except ValueError:
        raise PayloadError("a payload names no codec key") from None
