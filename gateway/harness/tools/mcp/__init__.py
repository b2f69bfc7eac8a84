"""Tools of the MCP servers that the operator lists (docs/operations/tools.md)."""
