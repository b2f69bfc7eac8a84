"""Whatever a client sends, it is refused with one of our errors or every dialect has a body for it."""

import orjson
from hypothesis import given, settings

from api.anthropic.translate import count_tokens, create_message
from gateway.catalog import Dialect
from gateway.errors import GatewayError
from gateway.providers.abilities import unsupported_parameters
from gateway.providers.anthropic import encode as anthropic
from gateway.providers.chat import encode as chat
from gateway.providers.estimate import estimate_tokens
from gateway.providers.openai import encode as openai
from tests.golden.dialects import DIALECTS
from tests.unit.providers.tampering import tampered_requests

ENCODERS = {
    Dialect.ANTHROPIC: anthropic.encode_request,
    Dialect.OPENAI: openai.encode_request,
    Dialect.OPENAI_CHAT: chat.encode_request,
}


@given(tampered_requests())
@settings(max_examples=600, deadline=None)
def test_a_request_is_refused_or_can_be_sent_in_every_dialect_that_has_words_for_it(body: bytes) -> None:
    try:
        asked = create_message(body).conversation
    except GatewayError:
        return
    for dialect, encode in ENCODERS.items():
        model = DIALECTS[dialect].model
        if not any(unsupported_parameters(asked, model)):
            assert orjson.loads(encode(asked, model, stream=True))["stream"] is True
    assert estimate_tokens(asked) >= 0


@given(tampered_requests())
@settings(max_examples=200, deadline=None)
def test_counting_a_request_is_refused_or_has_a_body(body: bytes) -> None:
    try:
        asked = count_tokens(body).conversation
    except GatewayError:
        return
    assert orjson.loads(anthropic.encode_count(asked, DIALECTS[Dialect.ANTHROPIC].model))
