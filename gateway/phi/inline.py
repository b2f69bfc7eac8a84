"""The rules in this very process: for tests and the command line."""

from collections.abc import Sequence

from gateway.phi.detector import Span
from gateway.phi.ner.recognizer import Recognizer
from gateway.phi.rules.scan import scan


class RuleDetector:
    """Scans on the caller's thread, some milliseconds a kilobyte: not for an event loop that serves requests."""

    def __init__(self, recognizer: Recognizer | None = None) -> None:
        self._recognizer = recognizer

    async def detect(self, texts: Sequence[str]) -> Sequence[Sequence[Span]]:
        return [scan(text, self._recognizer) for text in texts]
