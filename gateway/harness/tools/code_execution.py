"""`code_execution`: code of the model's, run by a runner of the operator's. Nothing is run here."""

from collections.abc import Mapping

from pydantic import JsonValue

from gateway.harness.tool import ToolAnswer, ToolFailedError, ToolUseContext
from gateway.harness.tools.terms import Terms
from gateway.outside.configured_server import ConfiguredServer

_LONGEST_CODE = 50_000


class CodeExecution:
    """The runner takes `{"language", "code", "timeout_s"}` by POST and answers `{"stdout", "stderr", "exit_code"}`."""

    name = "code_execution"
    description = "Runs a Python program in a sandbox without a network, and gives what it prints."
    schema: Mapping[str, JsonValue] = {
        "type": "object",
        "properties": {"code": {"type": "string", "maxLength": _LONGEST_CODE, "description": "The program"}},
        "required": ["code"],
        "additionalProperties": False,
    }
    leaves = True

    def __init__(self, runner: ConfiguredServer, terms: Terms) -> None:
        self._runner = runner
        self.surcharge = terms.surcharge
        self.timeout_s = terms.timeout_s

    async def run(self, given: Mapping[str, JsonValue], context: ToolUseContext) -> ToolAnswer:  # noqa: ARG002
        code = given.get("code")
        if not isinstance(code, str) or not code.strip() or len(code) > _LONGEST_CODE:
            raise ToolFailedError(f"`code` must be a program of at most {_LONGEST_CODE:,} characters.")
        asked: dict[str, JsonValue] = {"language": "python", "code": code, "timeout_s": self.timeout_s}
        ran = await self._runner.post(asked, timeout_s=self.timeout_s)
        if not isinstance(ran, dict) or not isinstance(ran.get("exit_code"), int):
            raise ToolFailedError("The runner's answer cannot be read.")
        said = [(name, ran.get(name)) for name in ("stdout", "stderr")]
        printed = [f"{name}:\n{text}" for name, text in said if isinstance(text, str) and text]
        status = ran["exit_code"]
        return ToolAnswer("\n\n".join((*printed, f"exit code: {status}")), is_error=status != 0)
