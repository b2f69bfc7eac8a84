"""The operator's key and certificate: what is used, what is refused, and why."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from gateway.baa.seal import SELF_SIGNED_FOR, SealError, SealFiles, SealKey, create_seal, files_beside, read_seal
from tests.unit.baa.seals import NOW, certificate

KEY = ec.generate_private_key(ec.SECP256R1())


def written(
    folder: Path,
    *,
    key: SealKey | ed25519.Ed25519PrivateKey = KEY,
    of: SealKey = KEY,
    may_bind: bool = True,
    until: timedelta = timedelta(days=30),
    encryption: KeySerializationEncryption | None = None,
    passphrase: str | None = None,
) -> SealFiles:
    files = SealFiles(folder / "key.pem", folder / "cert.pem", folder / "passphrase" if passphrase else None)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    files.key.chmod(0o600)
    made = certificate("Operator", "Operator", of.public_key(), of, may_bind=may_bind, until=NOW + until)
    files.certificate.write_bytes(made.public_bytes(Encoding.PEM))
    if files.passphrase and passphrase:
        files.passphrase.write_text(f"{passphrase}\n")
    return files


def test_a_new_pair_can_be_read_back(tmp_path: Path) -> None:
    files = files_beside(tmp_path / "keyring.json")

    made = create_seal(files, operator="Klinik Ärzte GmbH", now=NOW)

    assert read_seal(files, NOW).fingerprint == made.fingerprint
    assert made.describe(None).subject == "Klinik Ärzte GmbH"
    assert made.describe(None).self_signed


def test_a_new_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    files = files_beside(tmp_path / "keyring.json")

    create_seal(files, operator="Operator", now=NOW)

    assert files.key.stat().st_mode & 0o777 == 0o600


def test_a_pair_is_never_replaced(tmp_path: Path) -> None:
    files = files_beside(tmp_path / "keyring.json")
    create_seal(files, operator="Operator", now=NOW)
    before = files.key.read_bytes()

    with pytest.raises(FileExistsError):
        create_seal(files, operator="Another", now=NOW)

    assert files.key.read_bytes() == before


def test_a_pair_lasts_longer_than_agreements_are_kept(tmp_path: Path) -> None:
    create_seal(files_beside(tmp_path / "keyring.json"), operator="Operator", now=NOW)

    later = NOW + SELF_SIGNED_FOR - timedelta(minutes=1)
    assert read_seal(files_beside(tmp_path / "keyring.json"), later).fingerprint


def test_an_encrypted_key_is_read_with_its_passphrase(tmp_path: Path) -> None:
    files = written(tmp_path, encryption=BestAvailableEncryption(b"horse staple"), passphrase="horse staple")

    assert read_seal(files, NOW).chain == ()


def test_a_wrong_passphrase_is_refused_and_not_quoted(tmp_path: Path) -> None:
    files = written(tmp_path, encryption=BestAvailableEncryption(b"horse staple"), passphrase="wrong-one")

    with pytest.raises(SealError, match=r"key\.pem") as refusal:
        read_seal(files, NOW)

    assert "wrong-one" not in str(refusal.value)


def test_a_missing_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="passphrase"):
        read_seal(written(tmp_path, encryption=BestAvailableEncryption(b"horse staple")), NOW)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path)
    files.key.chmod(0o640)

    with pytest.raises(SealError, match="0600"):
        read_seal(files, NOW)


def test_a_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="not the certificate of"):
        read_seal(written(tmp_path, of=ec.generate_private_key(ec.SECP256R1())), NOW)


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="not in force"):
        read_seal(written(tmp_path, until=timedelta(hours=-1)), NOW)


def test_a_certificate_that_cannot_bind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SealError, match="nonRepudiation"):
        read_seal(written(tmp_path, may_bind=False), NOW)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["short RSA", "Ed25519", "an uncommon curve"],
)
def test_a_key_that_readers_do_not_know_is_refused(
    tmp_path: Path, key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
) -> None:
    with pytest.raises(SealError, match="neither RSA"):
        read_seal(written(tmp_path, key=key), NOW)


@pytest.mark.parametrize("file", ["key.pem", "cert.pem"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    files = written(tmp_path)
    (tmp_path / file).unlink()

    with pytest.raises(SealError, match=file):
        read_seal(files, NOW)


@pytest.mark.parametrize("file", ["key.pem", "cert.pem"])
def test_a_file_of_something_else_is_named(tmp_path: Path, file: str) -> None:
    files = written(tmp_path)
    (tmp_path / file).write_text("not PEM")

    with pytest.raises(SealError, match=file):
        read_seal(files, NOW)


def test_a_seal_does_not_show_its_key() -> None:
    from tests.unit.baa.seals import self_signed

    assert "PrivateKey" not in repr(self_signed())
