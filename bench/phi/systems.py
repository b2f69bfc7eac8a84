"""The systems of ours that are measured: the guard's rules, with and without a model, on one thread of this process."""

import time
from typing import Final, get_args

from bench.phi.scoring import Find, Found, Masked
from gateway.phi.ner.backends import Backend, open_recognizer
from gateway.phi.rules.scan import scan
from gateway.phi.screening import Screening
from gateway.phi.selection import Selection

_WARM_UP: Final = "Warm up: Jane Doe, 01/02/1980, lives with Ravi in Yakima."


RECOGNIZERS: Final = get_args(Backend)


def guard(ner: Backend = "none") -> Find:
    """What the guard masks, by its default policy, when a text is all of a request. Raises `ModelError`."""
    model = open_recognizer(ner)

    def find(text: str) -> Found:
        began = time.process_time()
        spans = Selection(Screening()).of_content(text, scan(text, model)).counting
        spent = time.process_time() - began
        return Found([Masked(span.start, span.end, span.entity) for span in spans], spent)

    find(_WARM_UP)
    return find
