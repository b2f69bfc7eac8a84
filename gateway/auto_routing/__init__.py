"""`model: "auto"`: a conversation is classified, and a table names the models for its class (spec U25)."""

from gateway.auto_routing.router import AutoRouter
from gateway.auto_routing.table import AutoTableError, read_auto_table

__all__ = ["AutoRouter", "AutoTableError", "read_auto_table"]
