"""Figures in groups without a label: `175 317 01`, which are nobody's measurements."""

import re
from collections.abc import Iterator

from gateway.phi.detector import LIKELY, Span
from gateway.phi.findings import Entity
from gateway.phi.rules.codes import is_listed, is_measured
from gateway.phi.rules.document import Document

_FIGURES = r"(?P<figures>\d{3}(?: \d{3}){1,2} \d{2,3}|\d{2}(?: \d{2}){3,4})"
_GROUPS = re.compile(rf"[(,:;#] ?{_FIGURES}(?=\s?[),;.\n|]|\s*\Z)(?![.,]\d)")
_MEASURES = re.compile(r"(?:vitals?|vs|bp|hr|labs?|readings?|scores?|values|levels|doses?|mg)\W{0,3}\Z", re.IGNORECASE)


def find_groups(document: Document) -> Iterator[Span]:
    for match in _GROUPS.finditer(document.folded):
        if is_measured(document.flat, match.end()) or _MEASURES.search(
            document.flat, max(0, match.start() - 16), match.start()
        ):
            continue
        if not is_listed(document, match.start("figures"), document.word_before(match.start())):
            yield Span(match.start("figures"), match.end(), Entity.OTHER_ID, LIKELY)
