"""Why an answer stopped and what it cost, as far as its server says."""

from gateway.completion import StopReason, Usage
from gateway.conversation import Sampling
from gateway.errors import UpstreamFailureError
from gateway.providers.estimate import tokens_of_bytes
from gateway.providers.wire import WireObject, count, optional_child, optional_text

# OpenAI's, and what text-generation-inference says for the first; a missing one is the end of a whole answer.
_DONE = frozenset({"", "stop", "tool_calls", "function_call", "eos_token", "stop_sequence"})
# vLLM's and SGLang's names for the text that stopped it; either may hold a token's number instead.
_MATCHED_STOP = ("stop_reason", "matched_stop")


def stop_reason_of(choice: WireObject, *, called: bool, refused: bool) -> StopReason:
    """Raises `UpstreamFailureError` for a reason that is not known: `abort` and its kin are no answers."""
    reason = optional_text(choice, "finish_reason") or ""
    if reason == "length":
        return StopReason.MAX_TOKENS
    if reason == "content_filter":
        return StopReason.REFUSAL
    if reason not in _DONE:
        raise UpstreamFailureError
    if refused:
        return StopReason.REFUSAL
    # Servers that were told which tool to call, and older ones, say `stop` after a call.
    return StopReason.TOOL_USE if called else StopReason.END_TURN


def stop_sequence_of(choice: WireObject, sampling: Sampling) -> str | None:
    """Which of the caller's stop sequences was met, when the server says it."""
    met = (choice.get(field) for field in _MATCHED_STOP)
    return next((text for text in met if isinstance(text, str) and text in sampling.stop_sequences), None)


def usage_of(counted: WireObject, *, asked_tokens: int, produced_bytes: int) -> Usage:
    """Tokens by kind: the server's `counted`, and estimates for what it left out or, against the facts, called zero.

    Its input count includes what its cache served, ours does not.
    """
    prompt, output = count(counted, "prompt_tokens"), count(counted, "completion_tokens")
    cached = count(optional_child(counted, "prompt_tokens_details"), "cached_tokens")
    reasoning = count(optional_child(counted, "completion_tokens_details"), "reasoning_tokens")
    output = output or tokens_of_bytes(produced_bytes)
    return Usage(
        input=max(0, prompt - cached) if prompt else asked_tokens,
        output=output,
        cache_read=min(cached, prompt),
        reasoning=min(reasoning, output),
        estimated=not prompt or (output > 0 and not counted.get("completion_tokens")),
    )
