"""The text of the agreement, in versions that never change and are known by their hash."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files


class Cover(StrEnum):
    """Upstreams that an acceptance may extend to."""

    ANTHROPIC = "hasp_anthropic_baa_2026"
    OPENAI = "hasp_openai_baa_2026"
    SELF_HOSTED = "self_hosted"
    """Servers of the operator's own: content reaches nobody else."""

    def is_at_least(self, other: "Cover") -> bool:
        """Whether what `other` covers may go here instead: one vendor's agreement is as good as another's, and
        staying in the house is better than both.
        """
        return self is Cover.SELF_HOSTED or other is not Cover.SELF_HOSTED


@dataclass(frozen=True, slots=True)
class Template:
    version: str
    text: str

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the text in UTF-8: what an acceptance is bound to."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def current_template() -> Template:
    """The version that new acceptances are of."""
    version = "2026-01"
    return Template(version, files("gateway.baa").joinpath(f"{version}.txt").read_text("utf-8"))
