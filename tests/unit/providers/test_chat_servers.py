"""Answers in the form that each self-hosted server gives them: plain ones, and streams cut anywhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.completion import AnswerBlock, Completion, StopReason, Usage
from gateway.conversation import Conversation, Sampling, Text, Thinking, ToolUse
from gateway.providers.chat.decode import decode_completion
from gateway.providers.estimate import estimate_tokens
from tests.unit.providers.cases import conversation, says
from tests.unit.providers.chat import QWEN, fold, read

TOLD: Conversation = conversation(says("Weather in Oslo?"), sampling=Sampling(99, stop_sequences=("END",)))
ANSWERS: Path = Path(__file__).parent / "chat_servers"
ASKED: int = estimate_tokens(TOLD)


@dataclass(frozen=True)
class Server:
    """What a server answers; `plain` and `stream` are its bytes in `chat_servers`, and say the same."""

    name: str
    blocks: tuple[AnswerBlock, ...]
    stop_reason: StopReason
    usage: Usage
    model: str = QWEN.upstream
    stop_sequence: str | None = None

    @property
    def plain(self) -> bytes:
        return (ANSWERS / f"{self.name}.json").read_bytes()

    @property
    def stream(self) -> bytes:
        return (ANSWERS / f"{self.name}.sse").read_bytes()

    @property
    def completion(self) -> Completion:
        return Completion(self.model, self.blocks, self.stop_reason, self.usage, self.stop_sequence, "chatcmpl-1")


SERVERS = [
    Server(
        "vllm",
        (
            Thinking("Hm, €.", ""),
            Text("\n\nLet me look, 🍒."),
            ToolUse("chatcmpl-tool-a", "weather", {"city": "Oslo"}),
            ToolUse("chatcmpl-tool-b", "weather", {"city": "Bergen"}),
        ),
        StopReason.TOOL_USE,
        Usage(36, 30, 64),
    ),
    # With `continuous_usage_stats`, and stopped by the caller's own sequence.
    Server("vllm_counting", (Text("Rain "),), StopReason.STOP_SEQUENCE, Usage(20, 3), stop_sequence="END"),
    # The chunk that opens a call has arguments; ids are empty.
    Server(
        "llama_cpp",
        (Thinking("Hm.", ""), ToolUse("call_1", "weather", {"city": "Oslo"}), ToolUse("call_2", "now", {})),
        StopReason.TOOL_USE,
        Usage(50, 9),
        model="qwen3.gguf",
    ),
    # Whole calls that all have the first index, `stop` after them, and another name for reasoning.
    Server(
        "ollama",
        (Thinking("Hm.", ""), ToolUse("call_a", "weather", {"city": "Oslo"}), ToolUse("call_b", "weather", {})),
        StopReason.TOOL_USE,
        Usage(50, 9),
        model="qwen3",
    ),
    # Null in place of all that is not said, and its own name for what stopped it.
    Server("sglang", (Text("Rain"),), StopReason.STOP_SEQUENCE, Usage(20, 5), stop_sequence="END"),
]

# An old server: line ends of CR and LF, keep-alives, no usage, no `[DONE]`, no id, no model.
BARE_PLAIN = b'{"choices":[{"message":{"content":"Rain again"},"finish_reason":"length"}]}'
BARE_STREAM = (
    b": hello\r\n\r\n"
    b'data: {"choices":[{"delta":{"role":"assistant"}}]}\r\n\r\n'
    b": ping\r\n\r\ndata:\r\n\r\n"
    b'data: {"choices":[{"delta":{"content":"Rain "},"finish_reason":""}]}\r\n\r\n'
    b'event: message\r\ndata: {"choices":[{"delta":{"content":"again"},"finish_reason":null}]}\r\n\r\n'
    b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\r\n\r\n'
)
BARE = Completion(QWEN.upstream, (Text("Rain again"),), StopReason.MAX_TOKENS, Usage(ASKED, 3, estimated=True))
EACH = pytest.mark.parametrize("server", SERVERS, ids=[server.name for server in SERVERS])


@EACH
def test_a_plain_answer_is_decoded_whole(server: Server) -> None:
    assert decode_completion(server.plain, TOLD, QWEN) == server.completion


@EACH
def test_a_stream_folds_to_the_plain_answer(server: Server) -> None:
    assert fold(read(server.stream, told=TOLD)) == server.completion


@EACH
def test_a_stream_cut_at_any_byte_is_the_same_stream(server: Server) -> None:
    stream = server.stream
    whole = read(stream, told=TOLD)

    for cut in range(len(stream) + 1):
        assert read(stream[:cut], stream[cut:], told=TOLD) == whole
    assert read(*(stream[at : at + 1] for at in range(len(stream))), told=TOLD) == whole


@EACH
def test_a_stream_is_as_good_without_its_done(server: Server) -> None:
    stream = server.stream.removesuffix(b"data: [DONE]\n\n")

    assert stream != server.stream
    assert fold(read(stream, told=TOLD)) == server.completion


def test_a_server_that_says_next_to_nothing_is_understood() -> None:
    whole = read(BARE_STREAM, told=TOLD)

    assert decode_completion(BARE_PLAIN, TOLD, QWEN) == BARE
    assert fold(whole) == BARE
    for cut in range(len(BARE_STREAM) + 1):
        assert read(BARE_STREAM[:cut], BARE_STREAM[cut:], told=TOLD) == whole


@EACH
def test_an_answer_with_fields_of_the_future_is_the_same_answer(server: Server) -> None:
    answer: dict[str, Any] = orjson.loads(server.plain)
    answer["choices"][0]["message"]["of_the_future"] = answer["of_the_future"] = [{"a": None}]

    assert decode_completion(orjson.dumps(answer), TOLD, QWEN) == server.completion
