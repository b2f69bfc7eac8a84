"""The keyring file: every long-lived secret a Hasp installation owns, and their rotation.

One JSON object, mode 0600. Each purpose keeps a ring of versions: the highest
makes new values, the others still read old ones.

    {"root": {"1": "<base64, 32 bytes>"}, "pepper": {…}, "codec": {…}, "subject": {…}, "audit": {…}}

`root` wraps data keys (unless a Vault does), `pepper` hashes API keys, `codec`
encrypts Temporal payloads, `subject` proves tombstones of end users, `audit` signs the
audit log: its keys are Ed25519 seeds, of which only public halves leave the file.
"""

import base64
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KEY_BYTES = 32
_PURPOSES = ("root", "pepper", "codec", "subject", "audit")


class KeyringError(Exception):
    """The keyring file cannot be used. The text names the file and the field, never a key."""


class IncompleteKeyringError(KeyringError):
    """The file is of an earlier version of Hasp, and sound otherwise."""

    def __init__(self, path: Path, missing: Sequence[str]) -> None:
        self.missing = missing
        super().__init__(f"{path} has no key for `{missing[0]}`; `hasp keyring rotate {missing[0]}` makes one")


@dataclass(frozen=True, slots=True)
class Ring:
    """Versions of one secret."""

    keys: Mapping[int, bytes]

    @property
    def newest(self) -> int:
        return max(self.keys)

    def __repr__(self) -> str:
        return f"Ring(versions={sorted(self.keys)})"


@dataclass(frozen=True, slots=True)
class Keyring:
    root: Ring
    pepper: Ring
    codec: Ring
    subject: Ring
    audit: Ring

    @property
    def links(self) -> bytes:
        """What links are proved with: the oldest, which every process has whichever version of the file it has read."""
        return self.subject.keys[min(self.subject.keys)]


def read_keyring(path: Path) -> Keyring:
    """Raises `KeyringError` for a file that is missing, malformed, incomplete, or readable by others."""
    try:
        if path.stat().st_mode & 0o077:
            raise KeyringError(f"{path} is readable by others; chmod it to 0600")
        document = json.loads(path.read_text())
        rings = {purpose: _ring(document[purpose]) for purpose in _PURPOSES if purpose in document}
    except FileNotFoundError:
        raise KeyringError(f"{path} does not exist; `hasp keyring init` makes one") from None
    except (ValueError, AttributeError, TypeError) as error:
        raise KeyringError(f"{path} is not a keyring: {type(error).__name__}") from None
    missing = [purpose for purpose in _PURPOSES if purpose not in rings]
    if missing:
        raise IncompleteKeyringError(path, missing)
    return Keyring(**rings)


def create_keyring(path: Path) -> None:
    """Write a new keyring. Raises `FileExistsError` rather than replace one: its loss would lose all content."""
    document = {purpose: {"1": _encoded(secrets.token_bytes(_KEY_BYTES))} for purpose in _PURPOSES}
    _write_new(path, document)


def rotate(path: Path, purpose: str) -> int:
    """Add a version to one ring, which may be missing, and return it.

    The file is replaced in one step; running processes re-read at start.
    """
    document = json.loads(path.read_text())
    ring = document.setdefault(purpose, {})
    version = max(map(int, ring), default=0) + 1
    ring[str(version)] = _encoded(secrets.token_bytes(_KEY_BYTES))
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    _write_new(beside, document)
    beside.replace(path)
    return version


def complete(path: Path) -> None:
    """Give the file of an earlier version of Hasp the rings it lacks. Raises `KeyringError` for any other fault."""
    try:
        read_keyring(path)
    except IncompleteKeyringError as incomplete:
        for purpose in incomplete.missing:
            rotate(path, purpose)


def _ring(encoded: Mapping[str, str]) -> Ring:
    keys = {int(version): base64.b64decode(key, validate=True) for version, key in encoded.items()}
    if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
        raise ValueError
    return Ring(keys)


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _write_new(path: Path, document: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
