"""What a conversation has to scan, as the detector reads it, and masked texts put back in their places."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from pydantic import JsonValue

from gateway.conversation import Role
from gateway.errors import ValidationFailedError
from gateway.phi.budget import Budget
from gateway.phi.calls import is_made
from gateway.phi.disguises import is_file, is_text, spelled_out
from gateway.phi.json_text import Leaf, render, rewrite

_OPAQUE = re.compile(r"[A-Za-z0-9+/=_-]+")
_SHORTEST_OPAQUE = 40
"""Characters of the shortest thing a vendor seals; what is shorter is someone's own text, and is scanned."""


class Treatment(Enum):
    """What may be done about PHI in a place."""

    CONTENT = auto()
    """Masked in place."""
    IDENTIFIER = auto()
    """Ids, names and addresses that other parts refer to: a masked one would be a broken one."""
    SEALED = auto()
    """Reasoning that a vendor signed: it goes back byte for byte or not at all."""
    DEFINITION = auto()
    """Tool definitions and output schemas: PHI there is always an error."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as the detector reads it, made of one slot or, for JSON, of one for every string, number and key."""

    path: str
    text: str
    treatment: Treatment
    leaves: tuple[Leaf, ...]
    answered: bool = False
    """Whether a model said it in an earlier answer."""
    spelled_out: bool = False
    """Whether it is the words that identifiers were made of."""


class Reader:
    """Collects what there is to scan, system first, then the turns from the oldest, then the rest.

    A visit raises `TooLargeError` when that is more than one request may hold,
    and `ValidationFailedError` for text in a place that only a vendor's sealed bytes belong in.
    """

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self.files: list[str] = []
        """What nobody here can read."""
        self.disguised: list[str] = []
        """What says that it is such a file, and is something else."""
        self._budget = Budget()
        self._answered = False

    def speaker(self, role: Role) -> None:
        self._answered = role == "assistant"

    def text(self, path: str, text: str) -> str:
        self._add(path, text, Treatment.CONTENT)
        return text

    def json(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return self._object(path, value, places=False)

    def citation(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return self._object(path, value, places=True)

    def identifier(self, path: str, text: str) -> None:
        self._add(path, text, Treatment.IDENTIFIER)
        self._add_names(path, [text], Treatment.IDENTIFIER)

    def call(self, path: str, call: str) -> None:
        """The id of a call: one that a machine made says nothing, and leaves as a number."""
        if is_made(call):
            self._budget.spend()
        else:
            self.identifier(path, call)

    def sealed(self, path: str, text: str) -> None:
        self._add(path, text, Treatment.SEALED)

    def opaque(self, path: str, text: str) -> None:
        if not _OPAQUE.fullmatch(text) or (len(text) >= _SHORTEST_OPAQUE and is_text(text)):
            raise ValidationFailedError("This must be what the model provider returned, unchanged.", param=path)
        if len(text) < _SHORTEST_OPAQUE:
            self._add(path, text, Treatment.SEALED)

    def definition(self, path: str, value: JsonValue) -> None:
        text, leaves = render(path, value, self._budget)
        self.passages.append(Passage(path, text, Treatment.DEFINITION, leaves))
        self._add_names(path, [leaf.text for leaf in leaves], Treatment.DEFINITION)

    def file(self, path: str, data: str | None) -> None:
        self._budget.spend()
        self.files.append(path)
        if data is not None and not is_file(data):
            self.disguised.append(f"{path}.source.data")

    def _object(self, path: str, value: Mapping[str, JsonValue], *, places: bool) -> Mapping[str, JsonValue]:
        if value:
            text, leaves = render(path, dict(value), self._budget, places=places)
            self.passages.append(Passage(path, text, Treatment.CONTENT, leaves, self._answered))
        return value

    def _add(self, path: str, text: str, treatment: Treatment) -> None:
        self._budget.spend(len(text))
        if text:
            leaves = (Leaf(path, 0, text, is_key=False),)
            self.passages.append(Passage(path, text, treatment, leaves, self._answered))

    def _add_names(self, path: str, identifiers: Sequence[str], treatment: Treatment) -> None:
        """The words that identifiers were made of, which a detector cannot see in `lookup_Maria_Lopez`."""
        text = "\n".join(filter(None, map(spelled_out, identifiers)))
        if text:
            leaves = (Leaf(path, 0, text, is_key=False),)
            self.passages.append(Passage(path, text, treatment, leaves, spelled_out=True))


class Rewriter:
    """Puts new texts in, by the paths of the leaves of `passages` that they replace."""

    def __init__(self, passages: Sequence[Passage], texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._changed = {each.path for each in passages if any(leaf.path in texts for leaf in each.leaves)}

    def speaker(self, role: Role) -> None: ...

    def text(self, path: str, text: str) -> str:
        return self._texts.get(path, text)

    def json(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return rewrite(path, value, self._texts) if path in self._changed else value

    def citation(self, path: str, value: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        return self.json(path, value)

    def identifier(self, path: str, text: str) -> None: ...

    def call(self, path: str, call: str) -> None: ...
    def sealed(self, path: str, text: str) -> None: ...
    def opaque(self, path: str, text: str) -> None: ...
    def definition(self, path: str, value: JsonValue) -> None: ...
    def file(self, path: str, data: str | None) -> None: ...
