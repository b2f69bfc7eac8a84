"""The operator's list of MCP servers, as it is written and as it is used."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, SecretStr, model_validator

from gateway.catalog.provider import KeyHeader
from gateway.harness.tools.terms import OTHER
from gateway.operator_file import OperatorFileError, named_key, parsed

_EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]


class McpServerEntry(BaseModel):
    """A server of streamable HTTP. Its key is named, never written here."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    """Before the names of its tools: without `_`, so that no two servers can mean one name."""
    url: str = Field(max_length=2048, pattern=r"^https?://[!-~]+$")
    api_key_env: _EnvironmentName | None = None
    api_key_file: Path | None = None
    api_key_header: KeyHeader = "authorization"
    tools: frozenset[str] | None = None
    """Those to have of it, as it calls them; unset: all."""
    leaves: bool = True
    """Whether what it is given leaves the operator's care: then nothing that names a person goes there."""
    surcharge: NonNegativeInt = OTHER.surcharge
    timeout_s: PositiveFloat = OTHER.timeout_s

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.api_key_env and self.api_key_file:
            raise ValueError("give either api_key_env or api_key_file, not both")
        if "@" in urlsplit(self.url).netloc:
            raise ValueError("the url must hold no user name and no password")
        return self


class _McpServersFile(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    servers: list[McpServerEntry] = Field(max_length=32)


@dataclass(frozen=True, slots=True)
class McpServerSpec:
    entry: McpServerEntry
    key: SecretStr | None

    @property
    def headers(self) -> dict[str, str]:
        """Those that hold the key."""
        if self.key is None:
            return {}
        key = self.key.get_secret_value()
        return {self.entry.api_key_header: f"Bearer {key}" if self.entry.api_key_header == "authorization" else key}


def read_mcp_servers(path: Path, environment: Callable[[str], str | None]) -> tuple[McpServerSpec, ...]:
    """Raises `OperatorFileError`."""
    entries = parsed(path, _McpServersFile).servers
    specs: dict[str, McpServerSpec] = {}
    problems: list[str] = []
    for at, entry in enumerate(entries):
        if entry.id in specs:
            problems.append(f"servers[{at}].id: another server has this id")
            continue
        key, problem = named_key(entry.api_key_env, entry.api_key_file, environment)
        problems += [f"servers[{at}].{problem}"] if problem else []
        specs[entry.id] = McpServerSpec(entry, key)
    if problems:
        raise OperatorFileError(problems)
    return tuple(specs.values())
