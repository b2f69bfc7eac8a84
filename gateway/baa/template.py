"""The text of the agreement, in versions that never change and are known by their hash."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
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


_VERSIONS = ("2026-01", "2026-11")
"""Oldest first. A version that was ever offered stays as it is, byte for byte: acceptances are bound to its hash."""


class UnknownTemplateError(Exception):
    """No version has this hash."""


@dataclass(frozen=True, slots=True)
class Template:
    version: str
    text: str
    changes: str = ""
    """What is new against the version before, in plain language; no part of the agreement."""

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the text in UTF-8: what an acceptance is bound to."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def current_template() -> Template:
    """The version that new acceptances are of."""
    return _template(_VERSIONS[-1])


def template_of(sha256: str) -> Template:
    """The version whose text has this hash, current or not. Raises `UnknownTemplateError`."""
    for template in templates():
        if template.sha256 == sha256:
            return template
    raise UnknownTemplateError


def templates() -> tuple[Template, ...]:
    """Every version that was ever offered, oldest first."""
    return tuple(map(_template, _VERSIONS))


@cache
def _template(version: str) -> Template:
    folder = files("gateway.baa")
    changes = folder.joinpath(f"{version}.changes.txt")
    return Template(
        version,
        folder.joinpath(f"{version}.txt").read_text("utf-8"),
        changes.read_text("utf-8") if changes.is_file() else "",
    )
