"""Task queues, by load and not by feature: one busy kind of work must not starve another."""

from enum import StrEnum


class TaskQueue(StrEnum):
    UPKEEP = "upkeep"
    """Small, regular work on our own database; never a call to the outside."""
    OUTBOUND = "outbound"
    """Short calls to the outside, by activities only: when nobody answers there, our own upkeep goes on."""
    DISPATCH = "dispatch"
    """First tries of deliveries, by activities only: a shift never waits behind further tries, however many are due."""
    WEBHOOKS = "webhooks"
    """Further tries of deliveries, with the workflows of all: an endpoint may take its time."""
    INFERENCE = "inference"
    """Calls to models and uses of tools, by activities only: they may take minutes, and need the PHI guard."""
    READING = "reading"
    """Files that are read and scanned, by activities only: each has a processor to itself while it is."""
