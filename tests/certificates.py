"""Certificates for servers of tests, by authorities that nobody else knows."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


class Authority:
    """Signs what it is asked to. `root` is its own certificate, PEM."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        lifetime = (now - timedelta(days=1), now + timedelta(days=1))
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.root = self._sign(self._name, self._key.public_key(), lifetime, constraints)

    def identity(
        self,
        *,
        of: x509.GeneralName = LOOPBACK,
        ended_ago: timedelta = timedelta(days=-1),
        newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> "Identity":
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) - ended_ago
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
        names = x509.SubjectAlternativeName([of])
        certificate = self._sign(name, key.public_key(), (end - timedelta(days=2), end), names)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(certificate + private, newest)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        lifetime: tuple[datetime, datetime],
        extension: x509.ExtensionType,
    ) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(lifetime[0]).not_valid_after(lifetime[1])
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and the newest version of TLS that its server speaks."""

    pem: bytes
    newest: ssl.TLSVersion

    def context(self, folder: Path) -> ssl.SSLContext:
        """A server's. OpenSSL reads certificates from files only."""
        (folder / "identity.pem").write_bytes(self.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "identity.pem")
        context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL itself would not speak what is old
        context.minimum_version = min(self.newest, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = self.newest
        return context
