"""What ends a command early."""


class CommandError(Exception):
    """One line for the person at the terminal: what is wrong, and what to do about it. Never a secret."""

    def __init__(self, line: str, *, exit_code: int = 1) -> None:
        super().__init__(line)
        self.line = line
        self.exit_code = exit_code
