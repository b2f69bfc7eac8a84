"""Stock Presidio as a system to compare with, kept out of our environment: its import would pull spaCy into ours."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import IO, Final

from pydantic import BaseModel

from bench.phi.scoring import Find, Found, Masked

_ROOT: Final = Path(__file__).parents[2]
_LOCK: Final = _ROOT / "requirements-presidio.lock"
_ENVIRONMENT: Final = _ROOT / ".venv-presidio"
_STAMP: Final = _ENVIRONMENT / "installed"
_PYTHON: Final = _ENVIRONMENT / "bin" / "python"
_PROGRAM: Final = Path(__file__).with_name("presidio_program.py")


class _Ready(BaseModel):
    load_s: float


class _Answer(BaseModel):
    spans: list[tuple[int, int, str]]
    cpu_s: float


def install() -> None:
    """Makes `.venv-presidio` from its hashed lock, once for each lock, also when several processes ask at once.

    This alone needs a package index. Raises `CalledProcessError` or `OSError` when it cannot.
    """
    with _LOCK.open("rb") as lock:
        flock(lock, LOCK_EX)
        if not (_STAMP.exists() and _STAMP.read_bytes() == lock.read()):
            _make()


def _make() -> None:
    uv = Path(sys.executable).with_name("uv")
    shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, _ENVIRONMENT], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--python", _PYTHON, "--require-hashes", "-r", _LOCK], check=True)
    shutil.copyfile(_LOCK, _STAMP)


@contextmanager
def running() -> Generator[Find]:
    """Presidio with every recogniser it ships and spaCy's small model, in a process that ends with the block."""
    environment = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [_PYTHON, "-P", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def find(text: str) -> Found:
            stdin.write(json.dumps(text) + "\n")
            stdin.flush()
            answer = _Answer.model_validate_json(_line(stdout))
            return Found([Masked(*span) for span in answer.spans], answer.cpu_s)

        _Ready.model_validate_json(_line(stdout))
        try:
            yield find
        finally:
            process.kill()


def _line(stdout: IO[str]) -> str:
    line = stdout.readline()
    if not line:
        raise RuntimeError("Presidio ended")
    return line
