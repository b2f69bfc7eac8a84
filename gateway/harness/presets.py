"""Assistants that an organisation keeps: instructions, tools and files that chats can begin with (spec, hatz 5)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.errors import GatewayError, Kind
from gateway.ids import FileId, PresetId

MOST_PRESETS: Final = 1_000


class TooManyPresetsError(GatewayError):
    kind, code = Kind.CONFLICT, "TOO_MANY_PRESETS"
    message = f"An organization keeps at most {MOST_PRESETS:,} agents of chats. Delete one first."


@dataclass(frozen=True, slots=True)
class PresetDefinition:
    """`model` is None where it is left to the request's default."""

    description: str | None = None
    instructions: str = ""
    model: str | None = None
    tools: tuple[str, ...] = ()
    sources: tuple[FileId, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """`version` counts its changes."""

    id: PresetId
    name: str
    definition: PresetDefinition
    version: int
    created_at: datetime
    updated_at: datetime
