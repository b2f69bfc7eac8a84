"""OpenCode without a terminal, in a home of its own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.installing import MODULES, AbsentError

_PROGRAM = MODULES / "opencode-linux-x64-baseline" / "bin" / "opencode"
_TIMEOUT_S = 60


def program() -> Path:
    """OpenCode without its launcher, which would bring the programs of all machines. Raises `AbsentError`."""
    if not _PROGRAM.exists():
        raise AbsentError("OpenCode is installed on Linux on x86-64 only: its package for other machines is not locked")
    return _PROGRAM


@dataclass(frozen=True, slots=True)
class OpenCode:
    """`home` is its home and its working directory."""

    home: Path
    base_url: str
    key: str

    def ask(self, prompt: str, *, provider: str, model: str) -> list[dict[str, Any]]:
        """`opencode run` with the AI SDK's `provider`, and the events that it prints."""
        served = {
            "npm": f"@ai-sdk/{provider}",
            "name": "Hasp",
            "options": {"baseURL": f"{self.base_url}/v1/{provider}", "apiKey": "{env:HASP_KEY}"},
            "models": {model: {"name": model}},
        }
        chosen = {"model": f"hasp/{model}", "small_model": f"hasp/{model}", "provider": {"hasp": served}}
        alone = {"autoupdate": False, "share": "disabled"}
        (self.home / "opencode.json").write_text(json.dumps({**chosen, **alone}))
        done = subprocess.run(
            [program(), "run", "--format", "json", prompt],
            env={
                "HOME": str(self.home),
                "HASP_KEY": self.key,
                "PATH": "/usr/bin:/bin",
                # It would look for models, plugins and language servers elsewhere.
                "OPENCODE_DISABLE_MODELS_FETCH": "1",
                "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
                "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
                "OPENCODE_DISABLE_AUTOUPDATE": "1",
            },
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        assert done.stdout, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]
