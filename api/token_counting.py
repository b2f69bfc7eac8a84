"""Counting a prompt's tokens, behind the gates of an inference and with its audit entry."""

from fastapi import Request

from api.exchange import exchange_of
from api.inference import Asked
from api.state import gateway_of
from gateway.audit import AuditAction
from gateway.inference import trail
from gateway.inference.call import Surface
from gateway.limits.limiter import UNLIMITED
from gateway.tenancy import Access


async def counted_tokens(request: Request, access: Access, surface: Surface, asked: Asked) -> int:
    """Input tokens of what is asked. Raises `GatewayError`."""
    gateway, exchange = gateway_of(request), exchange_of(request)
    exchange.model = gateway.catalog.find(asked.model)
    prompt = await gateway.token_counter.admit(asked.conversation, asked.model, access)
    async with gateway.storage.invocations.during(exchange.id, access.principal) as running:
        # Before it leaves: whatever becomes of it then, it was recorded like any other AI call.
        async with gateway.storage.begin(access.principal, ip_address=exchange.ip_address) as tx:
            tx.audit(
                AuditAction.AI_TOKENS_COUNTED,
                entity_type="request",
                entity_id=exchange.id,
                metadata=trail.counting_metadata(
                    prompt,
                    surface,
                    exchange.id,
                    route=request.scope["route"].path,
                    limits=(exchange.quota or UNLIMITED).limits,
                ),
                phi=trail.counting_disposition(prompt.report),
            )
        return await gateway.token_counter.count(prompt, running)
