"""`hasp audit certificate`: offline, from two files, on any machine."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.chain import canonical_time
from gateway.audit.signing import SigningKey
from gateway.end_users.certificate import certificate
from tests.commands import run_hasp
from tests.unit.end_users.test_certificate import ISSUE, KEY, NOW, erasure


def published(*, status: str = "active", key: SigningKey = KEY) -> dict[str, Any]:
    at = canonical_time(NOW)
    return {
        "tenant_id": "01K0B6W4M7RT2V9YQ3X5ZC8D1E",
        "keys": [
            {
                "key_id": key.key_id,
                "algo": "ed25519",
                "public_key_pem": key.public_key_pem,
                "published_at": at,
                "status": status,
                "retired_at": None if status == "active" else at,
                "revoked_at": at if status == "revoked" else None,
            }
        ],
    }


@pytest.fixture
def judge(tmp_path: Path) -> Any:
    def judge(document: object, keys: object) -> subprocess.CompletedProcess[str]:
        files = tmp_path / "certificate.json", tmp_path / "keys.json"
        for file, content in zip(files, (document, keys), strict=True):
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        without = {name: value for name, value in os.environ.items() if not name.startswith("HASP_")}
        return run_hasp("audit", "certificate", str(files[0]), "--keys", str(files[1]), env=without)

    return judge


def test_a_genuine_certificate_is_believed(judge: Any) -> None:
    erased = erasure()

    ran = judge(certificate(erased, ISSUE, KEY), published())

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"ok    erasure {erased.id} of {erased.org}",
        f"      person hmac-sha256:{erased.digest}",
        f"      key destroyed {canonical_time(NOW)}, its last copy gone on 2026-12-23",
    ]


@pytest.mark.parametrize(
    ("document", "keys", "why"),
    [
        ({**certificate(erasure(), ISSUE, KEY), "reference": "other"}, published(), "changed since it was signed"),
        (certificate(erasure(), ISSUE, SigningKey(b"x" * 32)), published(), "by none of the keys"),
        (certificate(erasure(), ISSUE, KEY), published(status="revoked"), "is revoked"),
        ({}, published(), "by none of the keys"),
        ({"key_id": KEY.key_id}, published(), "it is no certificate"),
    ],
)
def test_another_is_not(judge: Any, document: object, keys: object, why: str) -> None:
    ran = judge(document, keys)

    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.startswith("BAD   ")
    assert why in ran.stdout


@pytest.mark.parametrize(
    ("document", "keys"),
    [("[]", published()), ("{", published()), ("{}", "{}"), ("{}", {**published(), "keys": [{"key_id": "x"}]})],
)
def test_what_cannot_be_read_is_named_in_one_line(judge: Any, document: object, keys: object) -> None:
    ran = judge(document, keys)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("hasp: cannot be read: ")
    assert ran.stderr.count("\n") == 1
