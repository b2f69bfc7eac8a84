"""The first requests of Claude Code, in the shapes that a recording of it has (no text of its own)."""

from typing import Any

Json = dict[str, Any]

BETAS = (
    "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,prompt-caching-scope-2026-01-05,"
    "effort-2025-11-24,adaptive-thinking-2026-01-28,structured-outputs-2025-12-15,a-name-of-tomorrow-2027-01-01"
)
HEADERS = {
    "anthropic-beta": BETAS,
    "anthropic-version": "2023-06-01",
    "x-app": "cli",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "anthropic-dangerous-direct-browser-access": "true",
}


def turn(model: str = "claude-opus-4-8", *, text: str = "What does this repository do?", **changed: object) -> Json:
    """A main turn: system text in three blocks, a system message among the messages, 24 tools, adaptive thinking."""
    return {
        "model": model,
        "max_tokens": 64_000,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0"},
            {"type": "text", "text": "You are a coding agent.", "cache_control": {"type": "ephemeral"}},
            {
                "type": "text",
                "text": "Rules. " * 400,
                "cache_control": {"type": "ephemeral", "ttl": "1h", "scope": "global"},
            },
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>Be brief.</system-reminder>"}]},
            {"role": "system", "content": "The date has changed."},
            {
                "role": "user",
                "content": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}, "uuid": "0"}],
                "origin": "prompt",
            },
        ],
        "tools": [_tool(number) for number in range(24)],
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 1}},
        "metadata": {"user_id": "user_" + "0" * 64 + "_account__session_" + "0" * 36, "device": "laptop"},
        "a_field_of_tomorrow": {"nested": [1, 2]},
        **changed,
    }


def _tool(number: int) -> Json:
    return {
        "name": f"Tool{number}",
        "description": "Does one thing. " * 150,
        "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"path": {"type": "string", "description": "Where."}},
            "required": ["path"],
            "additionalProperties": False,
        },
        "eager_input_streaming": True,
        "custom": {"of": "tomorrow"},
    }
