"""Checks many signatures on every processor, and tells the first bad one."""

import multiprocessing
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from gateway.audit.chain import Flaw
from gateway.audit.signing import is_signed
from gateway.audit.trusted_keys import TrustedKey, TrustedKeys
from gateway.audit.verdicts import FlawError

_BATCH = 1000
_WAITING = 8


@dataclass(frozen=True, slots=True)
class Signed:
    seq: int
    entry_id: str
    hash: str
    signature: str
    key: TrustedKey


class SignatureChecks:
    """Takes entries in order. More than a thousand go to processes: threads would wait for the walk's interpreter."""

    def __init__(self, keys: TrustedKeys) -> None:
        self._keys = keys
        self._batch: list[Signed] = []
        self._pool: ProcessPoolExecutor | None = None
        self._running: deque[Future[Signed | None]] = deque()

    def __enter__(self) -> "SignatureChecks":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def add(self, signed: Signed) -> None:
        """Raises `FlawError` once an entry that was added before turns out to be bad."""
        self._batch.append(signed)
        if len(self._batch) < _BATCH:
            return
        self._pool = self._pool or ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
        self._running.append(self._pool.submit(_first_bad, self._batch))
        self._batch = []
        while len(self._running) > _WAITING or (self._running and self._running[0].done()):
            self._raise_for(self._running.popleft().result())

    def finish(self) -> None:
        """Wait for all of them. Raises `FlawError` for the first bad one."""
        while self._running:
            self._raise_for(self._running.popleft().result())
        batch, self._batch = self._batch, []
        self._raise_for(_first_bad(batch))

    def _raise_for(self, bad: Signed | None) -> None:
        if bad is None:
            return
        # Those added later cannot be the first bad one any more.
        self._running.clear()
        self._batch.clear()
        signer = self._keys.signer(bad.hash, bad.signature)
        by = "by nobody known" if signer is None else f"by key {signer.key_id}, which is {signer.status}"
        raise FlawError(Flaw.MISSIGNED, f"its signature is not by key {bad.key.key_id} but {by}", bad.seq, bad.entry_id)


def _first_bad(batch: Sequence[Signed]) -> Signed | None:
    return next((signed for signed in batch if not is_signed(signed.hash, signed.signature, signed.key.raw)), None)
