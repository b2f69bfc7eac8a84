"""One scanner process, which answers frames on an inherited socket until it closes.

`python -m gateway.phi.scanner FD PARENT NER`. It says hello with an empty frame
once it is warm, or with the reason why it cannot work. It keeps no text, writes
no log and no core dump, and dies with the process that started it.
"""

import ctypes
import gc
import os
import resource
import signal
import socket
import sys
from typing import cast

from gateway.phi.frames import (
    HEADER_BYTES,
    MaskRequest,
    ScanRequest,
    decode_request,
    encode_masked,
    encode_spans,
    frame,
)
from gateway.phi.masking import Marked, Replacement, anonymize
from gateway.phi.ner.backends import Backend, open_recognizer
from gateway.phi.ner.recognizer import ModelError, Recognizer
from gateway.phi.rules.scan import scan

_PR_SET_PDEATHSIG = 1
_NICENESS = 10
"""The event loop that waits for us serves everyone: it goes first where processors are short."""

_WARM_UP = "Patient John Smith, DOB 01/02/1980, was seen at General Hospital by Dr. Lee. Met Oksana of Kharkiv."


def main() -> None:
    _die_with_parent(int(sys.argv[2]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        connection.setblocking(True)
        try:
            recognizer = open_recognizer(cast("Backend", sys.argv[3]))
        except ModelError as failure:
            connection.sendall(frame(str(failure).encode()))
            return
        scan(_WARM_UP, recognizer)
        anonymize(Marked(_WARM_UP, (Replacement(8, 18, "[NAME_1]"),)))
        # The lists live as long as the process: looking at them again would stop a scan for a tenth of a second.
        gc.collect()
        gc.freeze()
        connection.sendall(frame(b""))
        serve(connection, recognizer)


def serve(connection: socket.socket, recognizer: Recognizer | None) -> None:
    """Answers each request until the other side closes."""
    while header := _receive(connection, HEADER_BYTES):
        payload = _receive(connection, int.from_bytes(header, "big"))
        connection.sendall(frame(_answer(payload, recognizer)))


def _answer(payload: bytes, recognizer: Recognizer | None) -> bytes:
    try:
        match decode_request(payload):
            case ScanRequest(texts):
                return encode_spans([scan(text, recognizer) for text in texts])
            case MaskRequest(marked):
                return encode_masked([anonymize(each) for each in marked])
    except Exception:  # noqa: BLE001 - whatever a text did to us, the caller must hear of it and fail closed
        return b""


def _receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, or none when the other side closed."""
    received = bytearray()
    while len(received) < size:
        piece = connection.recv(min(size - len(received), 1 << 20))
        if not piece:
            return b""
        received += piece
    return bytes(received)


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


if __name__ == "__main__":
    main()
