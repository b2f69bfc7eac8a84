"""The keyring file: every long-lived secret a Hasp installation owns, and their rotation.

One JSON object, mode 0600. Each purpose keeps a ring of versions: the highest
makes new values, the others still read old ones.

    {"root": {"1": "<base64, 32 bytes>"}, "pepper": {…}, "codec": {…}, "subject": {…}}

`root` wraps data keys (unless a Vault does), `pepper` hashes API keys, `codec`
encrypts Temporal payloads, `subject` pseudonymises end users.
"""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_KEY_BYTES = 32
_PURPOSES = ("root", "pepper", "codec", "subject")


class KeyringError(Exception):
    """The keyring file cannot be used. The text names the file and the field, never a key."""


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


def read_keyring(path: Path) -> Keyring:
    """Raises `KeyringError` for a file that is missing, malformed, or readable by others."""
    try:
        if path.stat().st_mode & 0o077:
            raise KeyringError(f"{path} is readable by others; chmod it to 0600")
        document = json.loads(path.read_text())
        rings = {purpose: _ring(document[purpose]) for purpose in _PURPOSES}
    except FileNotFoundError:
        raise KeyringError(f"{path} does not exist; `hasp keyring init` makes one") from None
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise KeyringError(f"{path} is not a keyring: {type(error).__name__}") from None
    return Keyring(**rings)


def create_keyring(path: Path) -> None:
    """Write a new keyring. Raises `FileExistsError` rather than replace one: its loss would lose all content."""
    document = {purpose: {"1": _encoded(secrets.token_bytes(_KEY_BYTES))} for purpose in _PURPOSES}
    _write_new(path, document)


def rotate(path: Path, purpose: str) -> int:
    """Add a version to one ring and return it. The file is replaced in one step; running processes re-read at start."""
    document = json.loads(path.read_text())
    version = max(map(int, document[purpose])) + 1
    document[purpose][str(version)] = _encoded(secrets.token_bytes(_KEY_BYTES))
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    _write_new(beside, document)
    beside.replace(path)
    return version


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
