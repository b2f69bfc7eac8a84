"""What a receiver wrote, without patients and without secrets. It may quote anything that it knows."""

import re

from gateway.phi.detector import Span
from gateway.phi.rules.scan import scan

_SECRET = re.compile(
    r"""
    -----BEGIN\ [A-Z ]{1,40}-----.*?(?:-----END\ [A-Z ]{1,40}-----|\Z)
    | \b(?:hasp_[a-z]{2,10}|wh[sp][ek]c?|sk|pk|rk|ghp|gho|xox[abp])[_-][A-Za-z0-9_+/=-]{8,}
    | \beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?
    | (?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}
    | (?i:\b(?:password|passwd|pwd|secret|token|api[_-]?key|authorization|cookie)\b["']?\s*[:=]\s*)["']?[^\s"',;&]{3,}
    | (?<![A-Za-z0-9+/=_-])(?![0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9+/=_-]))
      (?=[A-Za-z+/=_-]*[0-9])[A-Za-z0-9+/=_-]{32,}
    """,
    re.VERBOSE | re.DOTALL,
)
"""Blocks of keys, our and others' prefixes, JSON web tokens, named values, and whatever long runs may be keys."""


def scrubbed(text: str) -> str:
    """`text` with placeholders for all that the PHI rules suspect and all that looks like a secret.

    For texts of a thousand characters: it takes time where it is called, half a millisecond for such a one.
    """
    without_secrets = _SECRET.sub("[SECRET]", text)
    pieces: list[str] = []
    end = 0
    for span in sorted(scan(without_secrets), key=_start):
        if span.end <= end:
            continue
        if span.start >= end:
            pieces.append(f"{without_secrets[end : span.start]}[{span.entity.label}]")
        end = span.end
    pieces.append(without_secrets[end:])
    return "".join(pieces)


def _start(span: Span) -> tuple[int, int]:
    return span.start, -span.end
