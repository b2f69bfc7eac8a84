"""What is no answer in the dialect is a failure that says nothing of what was sent, and never a crash."""

from random import Random
from typing import Any, cast

import orjson
import pytest

from gateway.conversation import ToolUse
from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    TooLargeError,
    UpstreamBrokenOffError,
    UpstreamBusyError,
    UpstreamFailureError,
    UpstreamMisconfiguredError,
    UpstreamThrottledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.providers.chat.decode import decode_completion
from gateway.providers.chat.errors import error_of_answer
from tests.unit.providers.cases import conversation, says
from tests.unit.providers.chat import (
    COUNTED,
    DONE,
    QWEN,
    ROLE,
    STOP,
    call,
    chunk,
    delta,
    fold,
    read,
    sse,
    stream,
)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [ROLE],
        [ROLE, delta(content="Rain")],
        [ROLE, delta(tool_calls=[call(0, "{}", "now")])],
        [ROLE, chunk(usage=COUNTED)],
    ],
)
def test_a_stream_that_ends_without_a_reason_is_broken_off(frames: list[dict[str, Any] | str]) -> None:
    with pytest.raises(UpstreamBrokenOffError):
        stream(*frames)


@pytest.mark.parametrize(
    "frames",
    [
        [DONE],
        [{}, DONE],
        ["not JSON"],
        ["[]"],
        ["7"],
        [{"choices": 7}],
        [{"choices": ["x"]}],
        [{"choices": [{"delta": "x"}]}],
        [delta(content=7)],
        [delta(content=[{"type": "text"}])],
        [delta(reasoning=7)],
        [delta(tool_calls="x")],
        [delta(tool_calls=["x"])],
        [delta(tool_calls=[{"index": -1, "function": {"name": "now"}}])],
        [delta(tool_calls=[{"index": "0", "function": {"name": "now"}}])],
        [delta(tool_calls=[call(0, 7, "now")])],
        [delta(tool_calls=[call(0, "{}", 7)])],  # pyright: ignore[reportArgumentType]
        [delta(tool_calls=[call(0, "{}", id="a")]), STOP, DONE],
        [delta(tool_calls=[call(0, "{}", "now")]), delta(content="x"), delta(tool_calls=[call(0, "{}")])],
        [ROLE, STOP, chunk(usage={"prompt_tokens": -1})],
        [ROLE, STOP, chunk(usage={"prompt_tokens": "1"}), DONE],
        [ROLE, STOP, chunk(usage=[1])],
    ],
)
def test_a_stream_of_another_form_is_a_failure(frames: list[dict[str, Any] | str]) -> None:
    with pytest.raises(UpstreamFailureError):
        stream(*frames)


OTHER_FORMS: list[dict[str, Any]] = [
    {},
    {"choices": []},
    {"choices": None},
    {"choices": [{"message": None}]},
    {"choices": [{"delta": {"content": "Rain"}}]},
    {"choices": [{"message": {"content": 7}}]},
    {"choices": [{"message": {"tool_calls": [{"id": "a"}]}}]},
    {"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]},
    {"choices": [{"message": {}, "finish_reason": "abort"}]},
    {"choices": [{"message": {}}], "usage": 7},
]


@pytest.mark.parametrize("answer", OTHER_FORMS)
def test_an_answer_of_another_form_is_a_failure(answer: dict[str, Any]) -> None:
    with pytest.raises(UpstreamFailureError):
        decode_completion(orjson.dumps(answer), conversation(), QWEN)


ERRORS: list[tuple[Any, type[GatewayError]]] = [
    ({"error": {"message": "Jane Roe", "type": "BadRequestError", "param": None, "code": 400}}, ProviderRejectedError),
    ({"error": {"message": "Jane Roe", "type": "invalid_request_error", "code": None}}, ProviderRejectedError),
    ({"error": {"message": "Jane Roe", "code": "context_length_exceeded"}}, ProviderRejectedError),
    ({"error": {"object": "error", "message": "Jane Roe", "type": "x", "code": "400"}}, ProviderRejectedError),
    ({"object": "error", "message": "Jane Roe", "type": "BadRequestError", "code": 400}, ProviderRejectedError),
    ({"error": {"code": 503, "message": "Loading Jane Roe", "type": "unavailable_error"}}, UpstreamBusyError),
    ({"error": {"code": "rate_limit_exceeded", "message": "Jane Roe"}}, UpstreamThrottledError),
    ({"error": {"code": 504, "message": "Jane Roe"}}, UpstreamTimeoutError),
    ({"error": {"code": "model_not_found", "message": "Jane Roe"}}, UpstreamMisconfiguredError),
    ({"error": {"message": "Jane Roe", "type": "server_error", "code": None}}, UpstreamUnreachableError),
    ({"error": {"message": "Jane Roe", "code": "99999999999999999999"}}, UpstreamUnreachableError),
    ({"error": {"message": 7, "type": [], "code": True}}, UpstreamUnreachableError),
    ({"error": "Jane Roe"}, UpstreamUnreachableError),
    ({"error": ["Jane Roe"]}, UpstreamUnreachableError),
]


@pytest.mark.parametrize(("frame", "error"), ERRORS)
def test_an_error_in_place_of_an_answer_raises_what_it_means(frame: dict[str, Any], error: type[GatewayError]) -> None:
    for frames in ([frame], [ROLE, delta(content="Rain"), frame], [ROLE, STOP, frame, DONE]):
        with pytest.raises(GatewayError) as raised:
            stream(*frames)
        assert isinstance(raised.value, error)
        assert "Jane" not in repr(raised.value)
    with pytest.raises(error):
        decode_completion(orjson.dumps(frame), conversation(), QWEN)


REFUSALS: list[tuple[int, bytes, type[GatewayError], str]] = [
    (400, b'{"error":{"message":"Too long","code":400}}', ProviderRejectedError, "Too long"),
    (400, b'{"object":"error","message":"Too long","code":400}', ProviderRejectedError, "Too long"),
    (400, b'{"error":"Too long"}', ProviderRejectedError, "Too long"),
    (400, b'{"detail":"Too long"}', ProviderRejectedError, "Too long"),
    (
        422,
        b'{"detail":[{"loc":["body","top_k"],"msg":"Too long","input":"Jane"},{"msg":"Too odd"},{"msg":7},"x"]}',
        ProviderRejectedError,
        "Too long; Too odd",
    ),
    (400, b" Too long\n", ProviderRejectedError, "Too long"),
    (400, b"<html>nginx</html>", ProviderRejectedError, ""),
    (400, b"\xff", ProviderRejectedError, "\ufffd"),
    (400, b"", ProviderRejectedError, ""),
    (400, b'["x"]', ProviderRejectedError, '["x"]'),
    (400, b'{"error":{"message":7},"detail":7}', ProviderRejectedError, ""),
    (400, b'{"error":{"code":"model_not_found"}}', UpstreamMisconfiguredError, ""),
    (404, b'{"error":{"message":"model \'x\' not found"}}', UpstreamMisconfiguredError, ""),
    (401, b'{"error":"Unauthorized"}', UpstreamMisconfiguredError, ""),
    (413, b"", TooLargeError, ""),
    (429, b"", UpstreamThrottledError, ""),
    (503, b'{"error":{"message":"Loading model"}}', UpstreamBusyError, ""),
    (500, b"Internal Server Error", UpstreamUnreachableError, ""),
]


@pytest.mark.parametrize(("status", "body", "error", "message"), REFUSALS)
def test_a_refusal_is_read_in_every_form(status: int, body: bytes, error: type[GatewayError], message: str) -> None:
    refused = error_of_answer(status, {"retry-after": "7"}, body)

    assert isinstance(refused, error)
    assert getattr(refused, "upstream_message", "") == message
    assert refused.retry_after_s == (7 if isinstance(refused, UpstreamBusyError) else None)


def test_nothing_but_gateway_errors_comes_of_any_bytes() -> None:
    whole = sse(
        ROLE,
        delta(reasoning="Hm"),
        delta(content="Rain"),
        delta(tool_calls=[call(0, '{"a":', "now", id="a"), call(1, "{}", "now")]),
        delta(tool_calls=[call(0, "1}")]),
        STOP,
        chunk(usage=COUNTED),
        DONE,
    )
    values = [b"null", b"7", b"-1", b'"x"', b"[]", b"{}", b'{"x":1}', b"[null]", b"1e999", b"\xff", b'"\\ud800"']
    random = Random(4)
    for _ in range(3000):
        spoiled = whole
        for _ in range(random.randint(1, 3)):
            start = random.randrange(len(spoiled))
            end = min(len(spoiled), start + random.choice([0, 1, 2, 5, 30]))
            spoiled = spoiled[:start] + random.choice(values) + spoiled[end:]
        try:
            fold(read(spoiled))
        except GatewayError:
            continue


def test_any_value_in_any_place_is_an_answer_or_a_gateway_error() -> None:
    whole = orjson.dumps(
        {
            "id": "1",
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"content": "x", "reasoning": "y", "tool_calls": [call(0, "{}", "now", id="a")]},
                    "finish_reason": "stop",
                    "stop_reason": None,
                }
            ],
            "usage": COUNTED | {"prompt_tokens_details": {"cached_tokens": 1}},
            "error": None,
        }
    )
    values: list[Any] = [None, 7, -1, 1.5, True, "", "x", [], [None], {}, {"x": 1}]
    for path in _paths(orjson.loads(whole)):
        for value in values:
            answer = orjson.loads(whole)
            _place(answer, path, value)
            try:
                decode_completion(orjson.dumps(answer), conversation(), QWEN)
            except GatewayError:
                continue


def _paths(value: Any) -> list[list[Any]]:
    if isinstance(value, dict):
        inside: list[tuple[Any, Any]] = list(cast("dict[str, Any]", value).items())
    else:
        inside = list(enumerate(cast("list[Any]", value))) if isinstance(value, list) else []
    return [path for key, child in inside for path in ([key], *([key, *rest] for rest in _paths(child)))]


def _place(target: Any, path: list[Any], value: Any) -> None:
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value


def test_a_long_stream_of_mixed_up_calls_loses_nothing() -> None:
    pieces = 20_000
    frames = [
        delta(tool_calls=[call(0, '{"a":"', "now", id="a"), call(1, '{"a":"', "now", id="b")]),
        *(delta(tool_calls=[call(at % 2, "x" * 50)]) for at in range(pieces)),
        delta(tool_calls=[call(0, '"}'), call(1, '"}')]),
        STOP,
    ]

    first, second = stream(*frames, told=conversation(says("Go"))).blocks

    assert isinstance(first, ToolUse)
    assert isinstance(second, ToolUse)
    assert first.input == second.input == {"a": "x" * 25 * pieces}
