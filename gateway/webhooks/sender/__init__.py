"""Sending to receivers that nobody here knows."""

from gateway.webhooks.sender.lookup import Lookup, NotPublicError, SystemLookup, find_addresses
from gateway.webhooks.sender.sender import Sender

__all__ = ["Lookup", "NotPublicError", "Sender", "SystemLookup", "find_addresses"]
