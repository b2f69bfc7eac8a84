"""What a model cannot do is refused by name: a setting that is silently dropped changes the answer unseen.

One place for every provider, asked before anything is held or sent, so that
encoders are only given what their dialect has words for.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import JsonValue

from gateway.catalog import Ability, Dialect, Model
from gateway.conversation import (
    Block,
    ClientTool,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Sampling,
    SearchResult,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Turn,
)
from gateway.errors import ValidationFailedError
from gateway.packed_reasoning import is_openai_reasoning

LEAST_OUTPUT_TOKENS = 16
"""What OpenAI takes for a limit. Clients ask for one token to see whether a model is there: they get these."""

SamplingSetting = Literal["temperature", "top_p"]

# At 1 both are the identity: a caller who spells the default out asks for nothing.
_IDENTITY = 1


def require_able(conversation: Conversation, model: Model) -> None:
    """Raises `ValidationFailedError` that names the first parameter `model` cannot honour."""
    for param in unsupported_parameters(conversation, model):
        raise unsupported(param)


def require_answerable(conversation: Conversation, model: Model) -> None:
    """Raises as `require_able` does, and for what `model` could read but not answer."""
    require_able(conversation, model)
    last = conversation.turns[-1]
    calls = any(isinstance(block, ToolUse) for block in last.blocks)
    if model.dialect is Dialect.OPENAI and last.role == "assistant" and not calls:
        # It would answer anew, where the caller expects the rest of this answer.
        raise ValidationFailedError(
            "The model cannot go on with an answer that was begun for it: the last message must be the user's.",
            param=f"messages[{len(conversation.turns) - 1}]",
        )


def unsupported(param: str) -> ValidationFailedError:
    return ValidationFailedError("The model does not support this parameter.", param=param)


def unsupported_parameters(conversation: Conversation, model: Model) -> Iterator[str]:
    """The parameters that `model` cannot honour, by the names of the Messages API."""
    yield from _of_sampling(conversation.sampling, model)
    yield from _of_thinking(conversation.sampling, model)
    yield from _of_tools(conversation, model)
    for at, turn in enumerate(conversation.turns):
        yield from _of_turn(turn, model, f"messages[{at}]")


def ignored_parameters(conversation: Conversation, model: Model) -> tuple[str, ...]:
    """Hints that `model`'s provider is not sent, because nobody there would read them; an answer's header names them.

    Cache breakpoints, where the provider caches by itself or not at all; eager
    tool inputs, where they are streamed as the provider likes; reasoning that
    another vendor signed, or nobody did; what earlier answers cited, where
    there is no place for it; and a `max_tokens` below the provider's least.
    """
    ignored: list[str] = []
    if model.dialect is Dialect.OPENAI and conversation.sampling.max_tokens < LEAST_OUTPUT_TOKENS:
        ignored.append("max_tokens")
    if not model.can(Ability.PROMPT_CACHE) and _marks_cache(conversation):
        ignored.append("cache_control")
    if model.dialect is not Dialect.ANTHROPIC and any(_is_eager(tool) for tool in conversation.tools):
        ignored.append("tools.eager_input_streaming")
    if any(_is_foreign(block, model) for turn in conversation.turns for block in turn.blocks):
        ignored.append("messages.thinking")
    if not model.can(Ability.CITATIONS) and any(_cites(block) for turn in conversation.turns for block in turn.blocks):
        ignored.append("messages.citations")
    return tuple(ignored)


def sampling_fields(sampling: Sampling, model: Model) -> dict[str, JsonValue]:
    """The sampling settings to send; those that ask a model without any for its default are left out."""
    fields: dict[str, JsonValue] = {}
    if model.can(Ability.SAMPLING):
        fields = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    if model.can(Ability.TOP_K):
        fields["top_k"] = sampling.top_k
    return {name: value for name, value in fields.items() if value is not None}


def _of_sampling(sampling: Sampling, model: Model) -> Iterator[str]:
    given: dict[SamplingSetting, float | None] = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    for name, value in given.items():
        if value not in (None, _IDENTITY) and not model.can(Ability.SAMPLING):
            yield name
    asked: dict[str, tuple[bool, Ability]] = {
        "top_k": (sampling.top_k is not None, Ability.TOP_K),
        "stop_sequences": (bool(sampling.stop_sequences), Ability.STOP_SEQUENCES),
        "output_config.format": (sampling.output_schema is not None, Ability.STRUCTURED_OUTPUT),
        "inference_geo": (sampling.inference_geo is not None, Ability.INFERENCE_GEO),
    }
    yield from (name for name, (is_asked, ability) in asked.items() if is_asked and not model.can(ability))


def _of_thinking(sampling: Sampling, model: Model) -> Iterator[str]:
    thinking, effort = sampling.thinking, sampling.effort
    if effort is not None and effort not in model.efforts:
        yield "output_config.effort"
    if thinking is None:
        return
    if thinking.budget_tokens is not None and not model.can(Ability.THINKING_BUDGET):
        yield "thinking.budget_tokens"
    if thinking.type == "adaptive" and not model.can(Ability.THINKING):
        yield "thinking.type"
    if thinking.type == "between_tools" and model.dialect is not Dialect.ANTHROPIC:
        yield "thinking.type"
    if thinking.type == "disabled" and _thinks_by_itself(model):
        if "none" not in model.efforts:
            yield "thinking.type"
        elif effort is not None:
            yield "output_config.effort"


def _thinks_by_itself(model: Model) -> bool:
    return model.dialect is not Dialect.ANTHROPIC and model.can(Ability.THINKING)


def _of_tools(conversation: Conversation, model: Model) -> Iterator[str]:
    if conversation.tools and not model.can(Ability.TOOLS):
        yield "tools"
    choice = conversation.tool_choice
    if choice and choice.type == "tool" and all(tool.name != choice.name for tool in conversation.tools):
        yield "tool_choice.name"
    for at, tool in enumerate(conversation.tools):
        if isinstance(tool, ClientTool) and not model.can(Ability.CLIENT_TOOLS):
            yield f"tools[{at}].type"
        if isinstance(tool, Tool) and tool.examples and model.dialect is not Dialect.ANTHROPIC:
            yield f"tools[{at}].input_examples"


def _of_turn(turn: Turn, model: Model, path: str) -> Iterator[str]:
    for at, block in enumerate(turn.blocks):
        place = f"{path}.content[{at}]"
        if turn.role == "assistant" and isinstance(block, Image | Document | SearchResult):
            if model.dialect is not Dialect.ANTHROPIC:
                yield place
        else:
            yield from _of_block(block, model, place)


def _of_block(block: Block, model: Model, path: str) -> Iterator[str]:
    needed = _needed(block)
    if needed is not None and not model.can(needed):
        yield path
    match block:
        case Image():
            if block.oversized is not None and model.dialect is not Dialect.ANTHROPIC:
                yield f"{path}.transformations"
        case Document():
            yield from _of_citations(block.citations_enabled, model, path)
            yield from _of_blocks(block.blocks, model, f"{path}.source.content")
        case SearchResult():
            yield from _of_citations(block.citations_enabled, model, path)
        case ToolResult():
            yield from _of_blocks(block.content, model, f"{path}.content")
        case _:
            pass


def _needed(block: Block) -> Ability | None:
    match block:
        case Image():
            return Ability.VISION
        case Document() if block.data or block.url:
            return Ability.DOCUMENTS
        case ToolUse() | ToolResult():
            return Ability.TOOLS
        case _:
            return None


def _of_blocks(blocks: Iterable[Block], model: Model, path: str) -> Iterator[str]:
    for at, block in enumerate(blocks):
        yield from _of_block(block, model, f"{path}[{at}]")


def _of_citations(enabled: bool | None, model: Model, path: str) -> Iterator[str]:
    if enabled and not model.can(Ability.CITATIONS):
        yield f"{path}.citations"


def _marks_cache(conversation: Conversation) -> bool:
    if conversation.cache or any(text.cache for text in conversation.system):
        return True
    if any(tool.cache for tool in conversation.tools):
        return True
    return any(_block_marks_cache(block) for turn in conversation.turns for block in turn.blocks)


def _block_marks_cache(block: Block) -> bool:
    match block:
        case Thinking() | RedactedThinking():
            return False
        case ToolResult() | SearchResult():
            return block.cache is not None or any(map(_block_marks_cache, block.content))
        case Document():
            return block.cache is not None or any(map(_block_marks_cache, block.blocks))
        case _:
            return block.cache is not None


def _is_eager(tool: Tool | ClientTool) -> bool:
    return isinstance(tool, Tool) and bool(tool.eager_streaming)


def _cites(block: Block) -> bool:
    return isinstance(block, Text) and bool(block.citations)


def _is_foreign(block: Block, model: Model) -> bool:
    match block:
        case Thinking():
            if model.dialect is Dialect.ANTHROPIC:
                return block.signature == "" or is_openai_reasoning(block.signature)
            return model.dialect is not Dialect.OPENAI or not is_openai_reasoning(block.signature)
        case RedactedThinking():
            return model.dialect is not Dialect.ANTHROPIC
        case _:
            return False
