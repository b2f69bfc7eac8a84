"""Usage to wire shapes, in both surfaces' forms."""

from typing import Any

from gateway.completion import Usage

_MICRO = 1_000_000
_SERVICE_TIERS = {
    "standard": "standard",
    "priority": "priority",
    "batch": "batch",
    "default": "standard",
    "scale": "priority",
}
"""Anthropic's names of the tiers it has, by any vendor's; a tier that only another vendor has is not told."""


def anthropic_usage(usage: Usage) -> dict[str, Any]:
    """Usage as the Messages API counts it; also what `message_delta` repeats."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "server_tool_use": None,
        "service_tier": _SERVICE_TIERS.get(usage.service_tier or ""),
        "inference_geo": usage.inference_geo,
        "speed": usage.speed,
    }


def usage_lines(model_id: str, usage: Usage, charge: int, cost_micro_usd: int | None) -> dict[str, Any]:
    """`meta.usage`: what was used, what it cost in credits and, at list price, in dollars (spec A9)."""
    return {
        "model": model_id,
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
        "sonnet_equivalent_tokens": charge,
        "cost_usd": dollars(cost_micro_usd),
    }


def dollars(micro: int | None) -> float | None:
    """Micro-dollars as a JSON number of dollars; exact to the micro-dollar in any double up to nine billion."""
    return None if micro is None else micro / _MICRO
