"""What a native chat request asks for: which model, with whose instructions, and with which tools."""

from dataclasses import dataclass, replace

from fastapi import Request

from api.harness.reading import DEFAULT_MAX_TOKENS, PRESET, NoModelError, Parsed
from api.inference import new_call
from api.model_names import model_headers
from api.state import gateway_of
from gateway.conversation import Conversation, Text
from gateway.errors import NotFoundError
from gateway.harness.picking import picked
from gateway.harness.presets import Preset, PresetDefinition
from gateway.harness.run import Asked, offered
from gateway.harness.tool import ServerTool
from gateway.ids import PresetId, find_uuid
from gateway.inference.call import Surface
from gateway.providers.fitting import fitted
from gateway.tenancy import AUTO, Access


@dataclass(frozen=True, slots=True)
class Wanted:
    """`headers` tell which model was chosen where the request does not say it."""

    asked: Asked
    headers: dict[str, str]
    moved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Settings:
    """For a call: nobody reads its model or stream anywhere else."""

    model: str
    conversation: Conversation
    stream: bool


async def wanted(request: Request, access: Access, parsed: Parsed) -> Wanted:
    """Raises `NotFoundError` for a preset or a file that is not there, `FileNotReadyError`, `UnknownToolError`,
    `ToolNotInScopeError`, `NoModelError`, and what choosing a model by itself raises.
    """
    gateway = gateway_of(request)
    preset = await _preset(request, access, parsed.model)
    told = preset.definition if preset else None
    name = (told.model if told else parsed.model) or access.policy.default_model or gateway.settings.default_model
    if name is None:
        raise NoModelError(param="model")
    files = tuple(dict.fromkeys((*parsed.files, *(told.sources if told else ()))))
    if files:
        async with gateway.storage.read(access.principal) as tx:
            await tx.files.require_ready(files)
    tools = _tools(request, access, parsed, told)
    instructions = (Text(told.instructions),) if told and told.instructions else ()
    conversation = parsed.conversation(instructions, max_tokens=parsed.limit or 1)
    conversation = replace(conversation, tools=tuple(map(offered, tools)))
    headers: dict[str, str] = {}
    if name == AUTO or parsed.model is None or told is not None:
        if name == AUTO:
            gateway.pipeline.require_agreement(access.policy)
            name = gateway.auto.choose(conversation, access, now=gateway.clock.now(), has_files=bool(files)).id
        headers = model_headers(name)
    conversation, moved = _fitting(request, name, conversation, parsed)
    call = new_call(request, access, Surface.HARNESS, _Settings(name, conversation, parsed.stream))
    asked = Asked(call, {tool.name: tool for tool in tools}, lambda: gateway.limiter.quota(access), files)
    return Wanted(asked, headers, moved)


def _fitting(
    request: Request, name: str, conversation: Conversation, parsed: Parsed
) -> tuple[Conversation, tuple[str, ...]]:
    model = gateway_of(request).catalog.find(name)
    if model is None:
        return conversation, ()
    conversation, moved = fitted(conversation, model)
    if parsed.limit is None:
        most = min(DEFAULT_MAX_TOKENS, model.max_output_tokens)
        conversation = replace(conversation, sampling=replace(conversation.sampling, max_tokens=most))
    return conversation, moved


async def _preset(request: Request, access: Access, model: str | None) -> Preset | None:
    if model is None or not model.startswith(PRESET):
        return None
    found = find_uuid(model.removeprefix(PRESET))
    if found is None:
        raise NotFoundError("The agent does not exist.", param="model")
    async with gateway_of(request).storage.read(access.principal) as tx:
        return await tx.presets.get(PresetId(found), param="model")


def _tools(request: Request, access: Access, parsed: Parsed, preset: PresetDefinition | None) -> tuple[ServerTool, ...]:
    """Those that are named; else those that the message speaks for, where that is wanted; else none.

    A preset's own are offered beside them, those that the caller may use.
    """
    toolbox = gateway_of(request).toolbox
    allowed = toolbox.allowed(access)
    own = [toolbox.find(name) for name in preset.tools] if preset else []
    tools = {tool.name: tool for tool in own if tool is not None and tool in allowed}
    if parsed.tools is not None:
        tools |= {tool.name: tool for tool in toolbox.chosen(parsed.tools, "tools_to_use", access)}
    elif parsed.picks_tools:
        tools |= {tool.name: tool for tool in picked(parsed.asked_last, allowed)}
    return tuple(tools.values())
