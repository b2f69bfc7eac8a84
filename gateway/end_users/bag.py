"""The files of a bag that say what is in it (RFC 8493): the same text for the same payload, whoever writes it."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.end_users.exports import EndUserExport
from gateway.ids import OrganizationId

BAGIT: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST: Final = "manifest-sha256.txt"


@dataclass(frozen=True, slots=True)
class BagFile:
    """A file of the payload. `path` is in the bag; `size` in bytes; `sha256` in hexadecimal."""

    path: str
    size: int
    sha256: str


def manifest(files: Iterable[BagFile]) -> bytes:
    """Checksums of the payload, in the order of paths."""
    return _checksums((file.path, file.sha256) for file in files)


def manifest_sha256(files: Iterable[BagFile]) -> str:
    return hashlib.sha256(manifest(files)).hexdigest()


def tag_files(org: OrganizationId, export: EndUserExport, files: Sequence[BagFile]) -> Mapping[str, bytes]:
    """All files but the payload, by path, in the order in which they are best read."""
    tags = {"bagit.txt": BAGIT, "bag-info.txt": _bag_info(org, export, files), MANIFEST: manifest(files)}
    digests = ((path, hashlib.sha256(content).hexdigest()) for path, content in tags.items())
    return {**tags, "tagmanifest-sha256.txt": _checksums(digests)}


def _bag_info(org: OrganizationId, export: EndUserExport, files: Sequence[BagFile]) -> bytes:
    lines = [
        "Bag-Software-Agent: Hasp",
        f"Bagging-Date: {export.snapshot_at.date().isoformat()}",
        f"External-Identifier: {export.id}",
        "External-Description: What is kept of one person, one line of JSON a record",
        f"Payload-Oxum: {sum(file.size for file in files)}.{len(files)}",
        f"Hasp-Organization: {org}",
        f"Hasp-End-User: {export.end_user}",
        f"Hasp-Snapshot-At: {export.snapshot_at.isoformat()}",
        *(f"Hasp-Records-{dataset.title()}: {count}" for dataset, count in sorted(export.counts.items())),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _checksums(files: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(files)).encode()
