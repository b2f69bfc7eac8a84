"""Sending to receivers that nobody here knows."""

from gateway.webhooks.sender.sender import Sender

__all__ = ["Sender"]
