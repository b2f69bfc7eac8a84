"""What tools are told of a use, for tests of tools alone."""

from gateway.harness.tool import ToolUseContext
from gateway.ids import InferenceId, OrganizationId
from gateway.tenancy import Access, KeyMode, Policy, Principal

CONTEXT = ToolUseContext(
    Access(Principal(OrganizationId("01J0000000000000000000000A"), None, frozenset(), KeyMode.LIVE), Policy()),
    InferenceId("01J0000000000000000000000B"),
)
