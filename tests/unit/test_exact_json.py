"""A number of twenty digits is somebody's number, and the nearest float is somebody else's."""

import orjson
import pytest

from gateway import exact_json
from gateway.completion import parse_tool_input
from gateway.conversation import ToolUse
from gateway.providers.anthropic.decode import decode_completion

LONG = "12345678901234567890123"


@pytest.mark.parametrize("body", [b"[18446744073709551615,-9223372036854775808]", b"[1.0,-0.0,1e5,0.1]", b'["1"]'])
def test_what_fits_is_read_as_any_parser_reads_it(body: bytes) -> None:
    assert repr(exact_json.loads(body)) == repr(orjson.loads(body))


@pytest.mark.parametrize("digits", [LONG, f"-{LONG}", "18446744073709551616", "-9223372036854775809"])
def test_what_does_not_fit_keeps_its_digits(digits: str) -> None:
    read = exact_json.loads(b'{"a":[%b,1],"b":"%b"}' % (digits.encode(), LONG.encode()))

    assert read == {"a": [digits, 1], "b": LONG}


def test_what_is_nested_too_deep_for_it_is_left_to_be_refused() -> None:
    levels = 1_000

    assert exact_json.loads(b"[" * levels + LONG.encode() + b"]" * levels) is not None


def test_the_input_of_a_call_keeps_its_digits_whole_and_in_pieces() -> None:
    call = f'{{"type":"tool_use","id":"toolu_1","name":"find","input":{{"mrn":{LONG}}}}}'
    body = f'{{"model":"m","content":[{call}],"stop_reason":"tool_use","usage":{{}}}}'

    (block,) = decode_completion(body.encode()).blocks

    assert isinstance(block, ToolUse)
    assert block.input == parse_tool_input(f'{{"mrn": {LONG}}}') == {"mrn": LONG}
