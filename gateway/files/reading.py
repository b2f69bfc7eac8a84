"""Files read, each by a process that is ended when it takes too long, too much memory, or is not wanted any more."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.errors import UnavailableError
from gateway.files.extraction import Outcome
from gateway.files.file import FileKind

_LONGEST_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a file has no text, in words of ours."""

    code: str
    message: str


UNREADABLE: Final = Failure("FILE_UNREADABLE", "The file is damaged, locked, or not what its name says.")
NO_TEXT: Final = Failure("FILE_HAS_NO_TEXT", "There is no text in the file: pictures of text are not read.")
TOO_LARGE: Final = Failure(
    "FILE_TEXT_TOO_LARGE", "Unpacked, the file is more than is read: at most 4,000,000 characters of text."
)


async def read_text(kind: FileKind, content: bytes) -> str | Failure:
    """Its text, or why it has none; one that ended its reader is unreadable.

    Raises `UnavailableError` where readers cannot be confined, or get no processor: no file is to blame for that.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.files.extraction", kind),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        # Nothing of ours that a library could be made to tell.
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        async with asyncio.timeout(_LONGEST_S):
            written, _ = await process.communicate(content)
    except TimeoutError:
        # It had not had its share of a processor by then, which is none of its faults.
        raise UnavailableError("Files take too long to be read just now.") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    outcome, _, text = written.partition(b"\n")
    if outcome == Outcome.UNCONFINED.encode():
        raise UnavailableError("Files cannot be read on this system.")
    if process.returncode == -signal.SIGXCPU:
        return TOO_LARGE
    if process.returncode != 0 or outcome == Outcome.DAMAGED.encode():
        return UNREADABLE
    if outcome == Outcome.TOO_LARGE.encode():
        return TOO_LARGE
    return text.decode() if text.strip() else NO_TEXT
