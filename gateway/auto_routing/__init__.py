"""`model: "auto"`: a conversation is classified, and a table names the models for its class (spec U25)."""

from gateway.auto_routing.router import AUTO, AutoRouter
from gateway.auto_routing.table import AutoTableError, read_auto_table

__all__ = ["AUTO", "AutoRouter", "AutoTableError", "read_auto_table"]
