"""Server-sent events, out of bytes. No I/O: feed it what the network gave, however it was cut."""

from codecs import BOM_UTF8

from gateway.errors import UpstreamFailureError

MAX_FRAME_BYTES = 16 * 1024 * 1024
"""No vendor sends a frame near this; without a bound a broken one could fill the memory."""


class SseSplitter:
    """Cuts a byte stream into the `data` of its events. Event names are left out: both vendors repeat them inside.

    Line ends may be LF, CRLF or CR, and a cut may fall inside one; a byte order
    mark before everything is left out. Text is not decoded here, so a cut inside
    a UTF-8 sequence is nobody's business.
    """

    __slots__ = ("_after_cr", "_begun", "_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        """What came of an event that has not ended."""
        self._size = 0
        self._after_cr = False
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """The `data` of every event that `data` completes.

        Raises:
            UpstreamFailureError: an event grew past `MAX_FRAME_BYTES`.
        """
        if self._after_cr or b"\r" in data:
            data = self._with_plain_line_ends(data)
        frames = self._cut(data)
        if self._size > MAX_FRAME_BYTES:
            raise UpstreamFailureError
        if frames and not self._begun:
            self._begun = True
            frames[0] = frames[0].removeprefix(BOM_UTF8)
        return [content for frame in frames if (content := _data_of(frame)) is not None]

    def _cut(self, data: bytes) -> list[bytes]:
        """The events that `data` completes; the rest is kept in pieces, so that a long one is put together once."""
        if not self._pieces:
            frames = data.split(b"\n\n")
        elif b"\n\n" in data or (data.startswith(b"\n") and self._pieces[-1].endswith(b"\n")):
            frames = b"".join([*self._pieces, data]).split(b"\n\n")
            self._pieces, self._size = [], 0
        else:
            frames = [data]
        if rest := frames.pop():
            self._pieces.append(rest)
            self._size += len(rest)
        return frames

    def _with_plain_line_ends(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            # The CR before the cut already ended the line.
            self._after_cr = False
            data = data[1:]
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data_of(frame: bytes) -> bytes | None:
    """A frame's data lines joined, or None for a frame of comments or nothing."""
    lines = [
        line[6:] if line.startswith(b"data: ") else line[5:] for line in frame.split(b"\n") if line.startswith(b"data:")
    ]
    if len(lines) == 1:
        return lines[0]
    return b"\n".join(lines) if lines else None
