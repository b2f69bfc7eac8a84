"""Failures as facts that a caller may be told, about what the caller sent."""

import re

from gateway.errors import GatewayError, InternalError, ProviderRejectedError
from gateway.inference.call import Call
from gateway.phi.guard import Guard

_TURN = re.compile(r"messages\[(\d+)\]")


async def explained(failure: BaseException, guard: Guard) -> GatewayError:
    """`failure` as a fact safe to show; a provider's own words only after `guard` has read them."""
    if isinstance(failure, ProviderRejectedError) and failure.upstream_message:
        return await _scrubbed(failure, guard)
    return failure if isinstance(failure, GatewayError) else InternalError()


async def _scrubbed(rejected: ProviderRejectedError, guard: Guard) -> ProviderRejectedError:
    try:
        words = await guard.scrub(rejected.upstream_message[:500])
    except GatewayError:
        return ProviderRejectedError(param=rejected.param)
    return ProviderRejectedError(f"The model provider rejected the request: {words}", param=rejected.param)


def placed(error: GatewayError, call: Call) -> GatewayError:
    """`error` with its `param` counted from the turns that `call` brought; one in an earlier turn is of its thread."""
    turn = _TURN.match(error.param or "")
    if call.own_turns is None or error.param is None or turn is None:
        return error
    index = int(turn[1]) - (len(call.conversation.turns) - call.own_turns)
    error.param = "conversation_id" if index < 0 else f"messages[{index}]{error.param[turn.end() :]}"
    return error
