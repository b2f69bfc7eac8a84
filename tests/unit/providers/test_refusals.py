from typing import Any

import orjson
import pytest

from gateway.errors import (
    GatewayError,
    ProviderRejectedError,
    TooLargeError,
    UpstreamBusyError,
    UpstreamMisconfiguredError,
    UpstreamThrottledError,
    UpstreamTimeoutError,
    UpstreamUnreachableError,
)
from gateway.providers.anthropic import errors as anthropic
from gateway.providers.openai import errors as openai
from gateway.providers.refusals import MAX_MESSAGE_CHARS, MAX_RETRY_AFTER_S, retry_after_s

STATUSES: list[tuple[int, type[GatewayError]]] = [
    (302, UpstreamMisconfiguredError),
    (400, ProviderRejectedError),
    (401, UpstreamMisconfiguredError),
    (402, UpstreamMisconfiguredError),
    (403, UpstreamMisconfiguredError),
    (404, UpstreamMisconfiguredError),
    (408, UpstreamTimeoutError),
    (413, TooLargeError),
    (422, ProviderRejectedError),
    (429, UpstreamThrottledError),
    (500, UpstreamUnreachableError),
    (502, UpstreamUnreachableError),
    (503, UpstreamBusyError),
    (504, UpstreamTimeoutError),
    (529, UpstreamBusyError),
]


def body(message: Any = "Jane Roe is not a valid prompt", **error: Any) -> bytes:
    return orjson.dumps({"type": "error", "error": {"type": "any", "message": message, **error}})


@pytest.mark.parametrize("error_of_answer", [anthropic.error_of_answer, openai.error_of_answer])
@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_a_status_means_one_error_and_no_vendor_text_is_in_it(
    error_of_answer: Any, status: int, error: type[GatewayError]
) -> None:
    raised: GatewayError = error_of_answer(status, {}, body())

    assert type(raised) is error
    for text in (str(raised), repr(raised), str(raised.args), str(raised.details), str(raised.param)):
        assert "Jane" not in text


@pytest.mark.parametrize("error_of_answer", [anthropic.error_of_answer, openai.error_of_answer])
def test_only_what_the_vendor_says_of_the_request_is_kept_to_be_scrubbed(error_of_answer: Any) -> None:
    raised = error_of_answer(400, {}, body("x" * 10_000))

    assert raised.upstream_message == "x" * MAX_MESSAGE_CHARS


@pytest.mark.parametrize("error_of_answer", [anthropic.error_of_answer, openai.error_of_answer])
@pytest.mark.parametrize("unreadable", [b"", b"<html>", b"[]", b'{"error": "text"}', body(message=7)])
def test_an_error_without_a_readable_message_has_none(error_of_answer: Any, unreadable: bytes) -> None:
    assert error_of_answer(400, {}, unreadable).upstream_message == ""


def test_a_model_the_vendor_lacks_is_not_the_caller_s_mistake() -> None:
    assert type(openai.error_of_answer(400, {}, body(code="model_not_found"))) is UpstreamMisconfiguredError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("6.2", 7),
        ("0", 0),
        ("999999", MAX_RETRY_AFTER_S),
        ("9" * 400, MAX_RETRY_AFTER_S),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.2.3", None),
        ("\u0667", None),
        ("Sun, 22 Nov 2026 06:15:07 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds(value: str, seconds: int | None) -> None:
    assert retry_after_s({"retry-after": value}) == seconds


def test_a_busy_vendor_s_retry_after_is_passed_on() -> None:
    assert anthropic.error_of_answer(429, {"retry-after": "7"}, b"").retry_after_s == 7
    assert openai.error_of_answer(503, {"retry-after": "7"}, b"").retry_after_s == 7
    assert anthropic.error_of_answer(529, {}, b"").retry_after_s is None
