"""Codex CLI without a terminal, in a home of its own."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.installing import MODULES, Interpreter

_LAUNCHER = MODULES / "@openai" / "codex" / "bin" / "codex.js"
_TIMEOUT_S = 60
_MODEL = "gpt-5.4-mini"


@dataclass(frozen=True, slots=True)
class Codex:
    """`home` is its home and its working directory."""

    node: Interpreter
    home: Path
    base_url: str
    key: str

    def ask(self, prompt: str, model: str = _MODEL) -> list[dict[str, Any]]:
        """`codex exec`, and the events that it prints."""
        settings = {
            "model": model,
            "model_provider": "hasp",
            "model_providers.hasp.name": "Hasp",
            "model_providers.hasp.base_url": f"{self.base_url}/v1/openai",
            "model_providers.hasp.wire_api": "responses",
            "model_providers.hasp.env_key": "HASP_KEY",
            "model_providers.hasp.request_max_retries": 0,
            "model_providers.hasp.stream_max_retries": 0,
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={json.dumps(value)}")]
        # Its own sandbox needs rights that a container may not have; `home` is all that it is told of.
        unattended = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
        done = subprocess.run(
            [self.node.command, _LAUNCHER, "exec", *unattended, *chosen, prompt],
            env={"HOME": str(self.home), "HASP_KEY": self.key, "PATH": "/usr/bin:/bin"},
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        assert done.stdout, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


def items(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The completed items of `kind`, in order."""
    return [event["item"] for event in events if event["type"] == "item.completed" and event["item"]["type"] == kind]
