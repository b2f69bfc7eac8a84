"""Embeddings as OpenAI gives them."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.upstream import SandboxServer


@pytest.fixture
def gpt(sandbox_server: SandboxServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox_server.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_texts_that_are_spelled_alike_are_near_each_other(gpt: openai.OpenAI) -> None:
    answer = gpt.embeddings.create(model="m", input=["cardiologist", "cardiology", "laundry"])

    one, near, far = (each.embedding for each in answer.data)
    assert sum(map(float.__mul__, one, near)) > 0.5 > 0.1 > sum(map(float.__mul__, one, far))
    assert (answer.object, answer.model, [each.index for each in answer.data]) == ("list", "m", [0, 1, 2])
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0


def test_the_sdk_reads_the_same_from_base64(gpt: openai.OpenAI) -> None:
    # Left to itself the SDK asks for base64.
    packed = gpt.embeddings.create(model="m", input="Hi").data[0].embedding
    plain = gpt.embeddings.create(model="m", input="Hi", encoding_format="float").data[0].embedding

    assert packed == pytest.approx(plain, abs=1e-6)
    assert len(gpt.embeddings.create(model="m", input="Hi", dimensions=16).data[0].embedding) == 16


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": [""]}, "input"),
        ({"input": "x" * 40_000}, "input"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
        ({"input": "x", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_what_the_vendor_refuses_is_refused(gpt: openai.OpenAI, asked: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        gpt.embeddings.create(model="m", **asked)

    assert raised.value.param == param
