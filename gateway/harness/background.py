"""A chat that runs in the background: what was asked, and which calls it becomes, the same for whoever asks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gateway.completion import Completion
from gateway.conversation import Conversation, Role, Sampling, Text, ToolResult, Turn
from gateway.errors import GatewayError, Kind
from gateway.harness.events import Round, ToolUsed
from gateway.harness.run import offered
from gateway.harness.tool import ServerTool
from gateway.ids import FileId, InferenceId, RunId


class RunNotKeptError(GatewayError):
    """Between its rounds, and until it is read, a run is nowhere but in the database."""

    kind, code = Kind.CONFLICT, "RUN_NOT_STORABLE"
    message = "This organization keeps no content, and a chat in the background has to be kept. Leave `background` out."


class RunState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked, its model chosen and its agent's instructions in place."""

    model: str
    system: tuple[str, ...]
    turns: tuple[tuple[Role, tuple[str, ...]], ...]
    max_tokens: int
    temperature: float | None
    top_p: float | None
    tools: tuple[str, ...]
    files: tuple[FileId, ...]
    end_user: str | None
    ip_address: str | None

    @classmethod
    def of(
        cls, model: str, conversation: Conversation, files: Sequence[FileId], ip_address: str | None
    ) -> "RunRequest":
        """Of a conversation of texts, as native chats are."""
        sampling = conversation.sampling
        return cls(
            model=model,
            system=tuple(text.text for text in conversation.system),
            turns=tuple((turn.role, _texts(turn)) for turn in conversation.turns),
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            tools=tuple(tool.name for tool in conversation.tools),
            files=tuple(files),
            end_user=conversation.end_user,
            ip_address=ip_address,
        )

    def conversation(self, tools: Sequence[ServerTool]) -> Conversation:
        """As it was asked, with `tools` as they are by now."""
        return Conversation(
            turns=tuple(Turn(role, tuple(map(Text, texts))) for role, texts in self.turns),
            sampling=Sampling(self.max_tokens, self.temperature, self.top_p),
            system=tuple(map(Text, self.system)),
            tools=tuple(map(offered, tools)),
            end_user=self.end_user,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A call, or a use of a tool, that was settled."""

    id: InferenceId
    completion: Completion = field(repr=False)
    placeholders: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True, slots=True)
class Run:
    """`said` is the answer so far: what the rounds said, apart from each other."""

    id: RunId
    state: RunState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    said: str = field(repr=False)
    stop_reason: str | None
    rounds: tuple[Round, ...]
    uses: tuple[ToolUsed, ...]
    error: tuple[str, str] | None
    """A `GatewayError`'s code and text."""


def gone_on(conversation: Conversation, completion: Completion, results: Sequence[ToolResult]) -> Conversation:
    """`conversation` after one round and what its tools said."""
    turns = (*conversation.turns, Turn("assistant", completion.blocks), Turn("user", tuple(results)))
    return replace(conversation, turns=turns)


def _texts(turn: Turn) -> tuple[str, ...]:
    return tuple(block.text for block in turn.blocks if isinstance(block, Text))
