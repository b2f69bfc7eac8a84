"""What a receiver wrote, without patients and without secrets. It may quote anything that it knows."""

import re

from gateway.phi.rules.scan import scan
from gateway.phi.screening import Screening
from gateway.phi.selection import Selection

_SECRET = re.compile(
    r"""
    -----BEGIN\ [A-Z ]{1,40}-----.*?(?:-----END\ [A-Z ]{1,40}-----|\Z)
    | \b(?:hasp_[a-z]{2,10}|wh[sp][ek]c?|sk|pk|rk|ghp|gho|xox[abp])[_-][A-Za-z0-9_+/=-]{8,}
    | \beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?
    | (?i:\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}
    | (?i:(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|credentials?
        |authorization|cookie|session[_-]?id)(?:[_-]\w{1,20})?\\?["']?\s*(?:=>|[:=])\s*)
      (?:\\?"[^"\\]{3,}|'[^']{3,}|(?i:(?:bearer|basic)\s+)?[^\s"'\\,;&]{3,})
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | (?<![A-Za-z0-9+/=_-])(?![0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![A-Za-z0-9+/=_-]))
      (?=[A-Za-z+/=_-]*[0-9])[A-Za-z0-9+/=_-]{32,}
    """,
    re.VERBOSE | re.DOTALL,
)
"""Blocks of keys, our and others' prefixes, JSON web tokens, named values, and whatever long runs may be keys."""


def scrubbed(text: str) -> str:
    """`text` with placeholders for what the PHI rules would mask and for all that looks like a secret.

    For texts of a thousand characters: it takes time where it is called, a millisecond for such a one.
    """
    without_secrets = _SECRET.sub("[SECRET]", text)
    outcome = Selection(Screening()).of_content(without_secrets, scan(without_secrets))
    pieces: list[str] = []
    end = 0
    for span in outcome.counting:
        pieces.append(f"{without_secrets[end : span.start]}[{span.entity.label}]")
        end = span.end
    return "".join((*pieces, without_secrets[end:]))
