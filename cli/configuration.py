"""Read the settings, or say in one line which variables are wrong."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cli.failure import CommandError
from gateway.settings import Settings

EXIT_CONFIGURATION = 2


def load_settings() -> Settings:
    """The environment's settings. A `CommandError` (exit code 2) names every bad variable and echoes no value."""
    try:
        return Settings()  # pyright: ignore[reportCallIssue] - required fields come from the environment
    except ValidationError as failure:
        faults = failure.errors(include_url=False, include_context=False, include_input=False)
        line = "; ".join(_describe(fault) for fault in faults)
        raise CommandError(f"configuration: {line}", exit_code=EXIT_CONFIGURATION) from None


def _describe(fault: ErrorDetails) -> str:
    variable = "HASP_" + "_".join(str(part) for part in fault["loc"]).upper()
    match fault["type"]:
        case "missing":
            return f"{variable} is not set"
        case "value_error" | "assertion_error":  # a validator's own text may quote what it was given
            return f"{variable} is not valid"
        case _:
            return f"{variable}: {fault['msg']}"
