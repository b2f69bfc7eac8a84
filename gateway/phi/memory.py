"""What the guard remembers from one request to the next: by keyed digests, and never a text."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Memory(Generic[T]):
    """The most recently used, bounded by entries and by approximate bytes. Threads may share it."""

    def __init__(self, size: Callable[[T], int], *, max_entries: int, max_bytes: int) -> None:
        """`size` is about how many bytes one takes."""
        self._size = size
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._kept: OrderedDict[bytes, T] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: bytes) -> T | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: bytes, value: T) -> None:
        """What is there already stays."""
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = value
            self._bytes += self._size(value)
            while len(self._kept) > self._max_entries or self._bytes > self._max_bytes:
                _, evicted = self._kept.popitem(last=False)
                self._bytes -= self._size(evicted)
