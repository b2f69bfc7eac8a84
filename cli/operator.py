"""Who is at the command line, as the audit log names them."""

import os
import pwd
import re
from collections.abc import Mapping
from pathlib import Path

from cli.configuration import EXIT_CONFIGURATION
from cli.failure import CommandError

VARIABLE = "HASP_OPERATOR"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1
"""The kernel's word for a process that nobody logged in to start, such as a container's."""


def operator(environ: Mapping[str, str] = os.environ, login: Path = _LOGIN) -> str:
    """`operator:<user>`, and `operator:<user>/<name>` where `HASP_OPERATOR` says who shares that user.

    The user is who logged in, as the kernel remembers it through `sudo` and `su`; where it knows of nobody, as in
    containers, `sudo`'s word for that; else the process's own. Raises `CommandError` for a name that cannot be one.
    """
    user = _logged_in(login) or _safe(environ.get("SUDO_USER", "")) or _name_of(os.getuid())
    said = environ.get(VARIABLE)
    if not said:
        return f"operator:{user}"
    if not _safe(said):
        line = f"{VARIABLE} must be 1 to 64 letters, digits and . _ @ + -, the first a letter or a digit"
        raise CommandError(line, exit_code=EXIT_CONFIGURATION)
    return f"operator:{user}/{said}"


def _logged_in(login: Path) -> str | None:
    try:
        uid = int(login.read_text())
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY else _name_of(uid)


def _name_of(uid: int) -> str:
    try:
        return _safe(pwd.getpwuid(uid).pw_name) or f"uid-{uid}"
    except KeyError:
        return f"uid-{uid}"


def _safe(name: str) -> str | None:
    return name if _NAME.fullmatch(name) else None
