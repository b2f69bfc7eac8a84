"""The demo organisation's facts: the file that keeps them, and what a newcomer is shown."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from cli.embedded.home import write_private
from cli.failure import CommandError

MODEL = "claude-haiku-4-5"
VENDORS = (("Anthropic", "HASP_ANTHROPIC_API_KEY"), ("OpenAI", "HASP_OPENAI_API_KEY"))


@dataclass(frozen=True, slots=True)
class Demo:
    """What `demo.json` holds. It is the only place that keeps the key, which is shown just once."""

    base_url: str
    api_key: str
    organization_id: str
    temporal_ui_url: str

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """None when there is no such file, or none that can be read as one."""
        try:
            facts = json.loads(path.read_text())
            return cls(**{name: str(facts[name]) for name in cls.__slots__})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=2) + "\n")


def updated(known: Demo | None, printed: bytes, *, base_url: str, temporal_ui_url: str) -> Demo:
    """The facts after `hasp demo-seed` has printed `{"organization_id": ..., "api_key": ...}`.

    A null key means that the known organisation is still there, and so is the key that was made with it.
    """
    match _parsed(printed):
        case {"organization_id": str(organization), "api_key": str(key)}:
            return Demo(base_url, key, organization, temporal_ui_url)
        case {"organization_id": str(organization)} if known and known.organization_id == organization:
            return Demo(base_url, known.api_key, organization, temporal_ui_url)
        case _:
            raise CommandError("hasp demo-seed did not say which organisation and key it made")


def _parsed(printed: bytes) -> object:
    try:
        return json.loads(printed)
    except ValueError:
        return None


def banner(demo: Demo, environ: Mapping[str, str], *, seconds: float) -> str:
    """The text that ends a start: where things are, and a call to paste."""
    body = f'{{"model":"{MODEL}","max_tokens":64,"messages":[{{"role":"user","content":"Hello"}}]}}'
    upstreams = "\n".join(
        f"  {vendor:<12} {'the real API' if environ.get(variable) else f'the sandbox: {variable} is not set'}"
        for vendor, variable in VENDORS
    )
    if file := environ.get("HASP_CATALOG_FILE"):
        upstreams += f"\n  {'and':<12} the providers of {file}"
    return f"""
Hasp is ready ({seconds:.1f} s).

  Base URL     {demo.base_url}
  API key      {demo.api_key}
  API docs     {demo.base_url}/docs
  Temporal UI  {demo.temporal_ui_url}

Live keys reach:
{upstreams}

Try it:

curl {demo.base_url}/v1/messages -H 'authorization: Bearer {demo.api_key}' \
-H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' -d '{body}'

Ctrl-C or `make down` stops everything.
"""
