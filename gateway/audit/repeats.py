"""Finds an entry id that comes twice, in 16 bytes an entry."""

import numpy as np

from gateway.ids import find_ulid

_BYTES = 16
_CROCKFORD = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "0123456789ABCDEFGHIJKLMNOPQRSTUV")


class IdLog:
    def __init__(self) -> None:
        self._ids = bytearray()

    def add(self, entry_id: object) -> bool:
        """Note an id, in order; False for what is none."""
        if not isinstance(entry_id, str) or find_ulid(entry_id) != entry_id:
            return False
        self._ids += int(entry_id.translate(_CROCKFORD), 32).to_bytes(_BYTES, "big")
        return True

    def first_repeat(self) -> int | None:
        """The index of the first id that an earlier entry has, None if there is none."""
        ids = np.frombuffer(self._ids, dtype=f"S{_BYTES}")
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        again = order[1:][ordered[1:] == ordered[:-1]]
        return int(again.min()) if again.size else None
