"""presidio-analyzer over spaCy's small English model, an optional extra: `pip install 'hasp[presidio]'`."""

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol

from gateway.phi.ner.recognizer import Mention, MentionKind
from gateway.phi.ner.spacy import PACKAGE

_KINDS: dict[str, MentionKind] = {"PERSON": "person", "LOCATION": "place"}
_PIPELINE = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": PACKAGE}]}


class _Result(Protocol):
    entity_type: str
    start: int
    end: int
    score: float


class Presidio:
    """A `Recognizer`. About 10 ms for a sentence."""

    def __init__(self) -> None:
        analyzer: Any = import_module("presidio_analyzer")
        engines: Any = import_module("presidio_analyzer.nlp_engine")
        engine = engines.NlpEngineProvider(nlp_configuration=_PIPELINE).create_engine()
        self._analyzer = analyzer.AnalyzerEngine(nlp_engine=engine)

    def recognize(self, sentences: Sequence[str]) -> Sequence[Sequence[Mention]]:
        return [list(_mentions(self._analyze(sentence))) for sentence in sentences]

    def _analyze(self, sentence: str) -> list[_Result]:
        return self._analyzer.analyze(sentence, language="en", entities=list(_KINDS))


def _mentions(results: Iterable[_Result]) -> Iterator[Mention]:
    end = 0
    for result in sorted(results, key=lambda result: (result.start, -result.end)):
        if result.start >= end:
            yield Mention(result.start, result.end, _KINDS[result.entity_type], result.score)
            end = result.end
