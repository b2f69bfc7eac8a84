from itertools import pairwise

import pytest

from gateway.errors import UpstreamFailureError
from gateway.providers import sse
from gateway.providers.sse import SseSplitter

STREAM = (
    b": a comment\n\n"
    b"event: first\ndata: {}\n\n"
    b'data: {"word": "\xc3\xa6\xe2\x82\xac\xf0\x9f\x8d\x92"}\n\n'
    b"data: two\ndata:lines\nid: 7\n\n"
    b"event: empty\n\n\n\n"
    b"data: last\n\n"
    b"data: unfinished\n"
)
EVENTS = [b"{}", b'{"word": "\xc3\xa6\xe2\x82\xac\xf0\x9f\x8d\x92"}', b"two\nlines", b"last"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_cut_at_any_byte_is_the_same_stream(end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    for cut in range(len(stream) + 1):
        splitter = SseSplitter()
        assert [*splitter.feed(stream[:cut]), *splitter.feed(stream[cut:])] == EVENTS


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_fed_byte_by_byte_is_the_same_stream(end: bytes) -> None:
    stream = STREAM.replace(b"\n", end)
    splitter = SseSplitter()

    fed = [event for at, to in pairwise(range(len(stream) + 1)) for event in splitter.feed(stream[at:to])]

    assert fed == EVENTS


def test_an_endless_event_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_FRAME_BYTES", 10)

    with pytest.raises(UpstreamFailureError):
        SseSplitter().feed(b"data: more than ten bytes")
