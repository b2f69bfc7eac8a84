"""A time-stamp authority of our own: OpenSSL's, under a root certificate made for the occasion."""

import subprocess
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

_CONFIGURATION = """\
[tsa]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/chain.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
clock_precision_digits = 6
ess_cert_id_alg = sha256
"""


class TimestampAuthority:
    """Answers queries with the system's time. `folder` is its own, and empty."""

    def __init__(self, folder: Path, *, since: datetime, until: datetime) -> None:
        """`since` and `until`: when its certificates are valid."""
        self._folder = folder
        lifetime = (since, until)
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root_name = _name("Root of the tests")
        root = _certificate(root_name, root_name, root_key, root_key, lifetime)
        signer = _certificate(_name("Authority of the tests"), root_name, key, root_key, lifetime)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self._chain_file = folder / "chain.pem"
        self._chain_file.write_bytes(self.ca_file.read_bytes())
        (folder / "tsa.pem").write_bytes(signer.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIGURATION.format(folder=folder))

    def bring(self, further: x509.Certificate) -> None:
        """From now on with this certificate beside those that lead to its root."""
        pem = further.public_bytes(serialization.Encoding.PEM)
        self._chain_file.write_bytes(self._chain_file.read_bytes() + pem)

    def answer(self, query: bytes) -> bytes:
        """The TimeStampResp to a TimeStampReq, both in DER."""
        (self._folder / "query").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "query"]
        return subprocess.run(command, cwd=self._folder, capture_output=True, check=True).stdout

    def stamp(self, message: str) -> bytes:
        return self.answer(
            TimestampRequestBuilder().data(message.encode()).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    lifetime: tuple[datetime, datetime],
) -> x509.Certificate:
    is_root = subject == issuer
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(lifetime[0])
        .not_valid_after(lifetime[1])
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_root:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())
