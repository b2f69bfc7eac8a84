"""Kinds of tools and content that Anthropic publishes and that are refused here, each for its reason.

Dated tool kinds (`web_search_20250305`) are listed without their date.
"""

INELIGIBLE = frozenset(
    {
        "bash_code_execution_tool_result",
        "browser_state",
        "browser_toolset",
        "code_execution",
        "code_execution_tool_result",
        "computer",
        "computer_toolset",
        "container_upload",
        "file",
        "mcp_tool_result",
        "mcp_tool_use",
        "mcp_toolset",
        "server_tool_use",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_bm25",
        "tool_search_tool_regex",
        "tool_search_tool_result",
        "web_fetch",
        "web_fetch_tool_result",
        "web_search",
        "web_search_tool_result",
    }
)
"""Run by the vendor, or kept by it: content would leave without passing the guard."""

PUBLISHED = frozenset({"bash", "memory", "text_editor", "tool_reference"})
"""Dates of client-run tools that need a beta of the vendor's, and what only its tool search makes."""
