"""A tool that the gateway runs for a model: what each must say of itself, and what it is told of a use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from gateway.ids import FileId, InferenceId
from gateway.tenancy import Access


@dataclass(frozen=True, slots=True)
class ToolUseContext:
    access: Access
    inference: InferenceId
    """The answer that asked for it."""
    end_user: str | None = None
    """Whom the request named."""
    files: tuple[FileId, ...] = ()
    """What the request brought along, and its preset."""


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What the model reads. The guard scans it on the way there, like all that a model reads."""

    text: str
    is_error: bool = False


class ToolFailedError(Exception):
    """Why a tool has no answer, for the model to read: words of ours, never of an input's or a server's."""


class ServerTool(Protocol):
    @property
    def name(self) -> str:
        """As models call it: 1 to 64 of `[a-zA-Z0-9_-]`."""
        ...

    @property
    def description(self) -> str: ...

    @property
    def schema(self) -> Mapping[str, JsonValue]:
        """JSON Schema of its input, an object."""
        ...

    @property
    def leaves(self) -> bool:
        """Whether inputs go to somebody outside: nothing that names a person may."""
        ...

    @property
    def surcharge(self) -> int:
        """Credits a use costs, whatever comes of it."""
        ...

    @property
    def timeout_s(self) -> float: ...

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:
        """Raises `ToolFailedError` or `ServerFailedError`, or `GatewayError` where a part of ours is down: then nothing
        is answered at all.

        May be cancelled at any await, and may be run again for the same use.
        """
        ...
