"""How meanings of a file's pieces stand in the database: turned by the file's own key.

Turning keeps angles, so pieces of one file stay as near to a question that was
turned alike as they were. What direction stands for what is lost with the key:
a vector of another file, or of a known text, has nothing to do with them. It is
no cipher; what was embedded holds nothing of what the guard finds.

The turn is a Walsh-Hadamard transform between signs that the key says, three
times over: as good as a random rotation and n log n to do (Ailon and Chazelle,
"The Fast Johnson-Lindenstrauss Transform", 2009).
"""

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from gateway.files.meaning import Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROUNDS: Final = 3
_PURPOSE: Final = b"meaning"


def turned(vector: Vector, key: bytes) -> Vector:
    """Of as many numbers as the next power of two."""
    import numpy as np  # not in every process that could compare vectors: most never do

    size = 1 << (len(vector) - 1).bit_length()
    result = np.zeros(size, dtype=np.float32)
    result[: len(vector)] = vector
    for signs in _signs(key, size):
        result = _transformed(result * signs)
    return result.tolist()


def as_literal(vector: Vector) -> str:
    """As pgvector reads it."""
    return "[" + ",".join(map(str, vector)) + "]"


def _signs(key: bytes, size: int) -> "NDArray[np.float32]":
    import numpy as np

    seed = hmac.digest(key, _PURPOSE, "sha256")
    stream = np.frombuffer(hashlib.shake_256(seed).digest((_ROUNDS * size + 7) // 8), dtype=np.uint8)
    bits = np.unpackbits(stream)[: _ROUNDS * size].reshape(_ROUNDS, size)
    return 1 - 2 * bits.astype(np.float32)


def _transformed(vector: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np

    size, half = len(vector), 1
    while half < size:
        pairs = vector.reshape(-1, 2, half)
        vector = np.stack((pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]), axis=1).reshape(size)
        half *= 2
    return vector / np.float32(np.sqrt(size))
