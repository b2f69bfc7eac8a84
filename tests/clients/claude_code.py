"""Claude Code in print mode, in a home of its own and with nothing else to call than our address."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.installing import MODULES, Interpreter

# What postinstall would put in the package's own place, started from where npm left it.
_LAUNCHER = MODULES / "@anthropic-ai" / "claude-code" / "cli-wrapper.cjs"
_TIMEOUT_S = 60
_MODEL = "claude-haiku-4-5"


@dataclass(frozen=True, slots=True)
class ClaudeCode:
    """`home` is its home and its working directory; sessions are kept there."""

    node: Interpreter
    home: Path
    environment: Mapping[str, str]

    def ask(self, prompt: str, *options: str, model: str = _MODEL, **environment: str) -> dict[str, Any]:
        """`claude -p`, and the one JSON object that it prints."""
        done = subprocess.run(
            [self.node.command, _LAUNCHER, "-p", prompt, "--output-format", "json", "--model", model, *options],
            env={**self.environment, **environment},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


def settings(base_url: str, key: str, home: Path) -> dict[str, str]:
    """All the environment it gets: the two lines that point it at us, and what keeps it from calling home."""
    return {
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
    }
