"""Task queues, by load and not by feature: one busy kind of work must not starve another."""

from enum import StrEnum


class TaskQueue(StrEnum):
    UPKEEP = "upkeep"
    """Small, regular work on our own database; never a call to the outside."""
    OUTBOUND = "outbound"
    """Short calls to the outside, by activities only: when nobody answers there, our own upkeep goes on."""
    WEBHOOKS = "webhooks"
    """First tries of deliveries and further ones, with the workflows behind them: an endpoint may take its time."""
