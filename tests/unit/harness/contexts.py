"""What tools are told of a use, for tests of tools alone."""

from pathlib import Path

from gateway.harness.tool import ToolUseContext
from gateway.ids import InferenceId, OrganizationId
from gateway.settings import Settings
from gateway.tenancy import Access, KeyMode, Policy, Principal

SETTINGS = Settings(database_url="postgresql://nobody@nowhere/nothing", keyring_file=Path("none"))  # pyright: ignore[reportArgumentType]

CONTEXT = ToolUseContext(
    Access(Principal(OrganizationId("01J0000000000000000000000A"), None, frozenset(), KeyMode.LIVE), Policy()),
    InferenceId("01J0000000000000000000000B"),
)
