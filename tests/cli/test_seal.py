"""`hasp baa seal` and `hasp baa verify`."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.cli.test_command_line import hasp
from tests.unit.baa.seals import sealed, self_signed


@pytest.fixture
def agreement(tmp_path: Path) -> Path:
    path = tmp_path / "agreement.pdf"
    path.write_bytes(sealed())
    return path


@pytest.fixture
def operator(tmp_path: Path) -> Path:
    path = tmp_path / "operator.pem"
    path.write_bytes(self_signed().certificate.public_bytes(Encoding.PEM))
    return path


def test_a_seal_is_made_beside_the_keyring_and_told_by_its_hash(tmp_path: Path) -> None:
    answer = hasp("baa", "seal", "--operator", "Operator, Inc.", "--keyring-file", str(tmp_path / "keyring.json"))

    file, digest = answer.stdout.splitlines()
    certificate = x509.load_pem_x509_certificate(Path(file).read_bytes())
    assert digest == f"SHA-256 {certificate.fingerprint(SHA256()).hex()}"


def test_a_seal_that_is_there_is_left_alone(tmp_path: Path) -> None:
    arguments = ("baa", "seal", "--operator", "Operator, Inc.", "--keyring-file", str(tmp_path / "keyring.json"))
    hasp(*arguments)

    answer = hasp(*arguments)

    assert (answer.returncode, answer.stdout) == (1, "")
    assert "exists already" in answer.stderr


def test_a_sealed_agreement_is_ok_without_any_settings(agreement: Path, operator: Path) -> None:
    answer = hasp("baa", "verify", str(agreement), "--certificate", str(operator))

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.startswith("ok    sealed by")
    assert self_signed().fingerprint in answer.stdout


def test_a_changed_agreement_is_bad(agreement: Path, operator: Path) -> None:
    agreement.write_bytes(sealed().replace(b"%PDF-1.7", b"%PDF-1.6", 1))

    answer = hasp("baa", "verify", str(agreement), "--certificate", str(operator))

    assert (answer.returncode, answer.stdout[:3]) == (1, "BAD")


@pytest.mark.parametrize("missing", ["agreement", "operator"])
def test_a_file_that_is_not_there_is_named(agreement: Path, operator: Path, missing: str) -> None:
    {"agreement": agreement, "operator": operator}[missing].unlink()

    answer = hasp("baa", "verify", str(agreement), "--certificate", str(operator))

    assert answer.returncode == 2
    assert missing in answer.stderr
