"""A certificate authority of one's own, with a certificate for 127.0.0.1 and one for a client."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Authority:
    """PEM files.

    Attributes:
        ca: certificate of the authority.
        host: certificate and key of 127.0.0.1.
        old_host: the same, expired.
        client: the same of a client.
    """

    ca: Path
    host: Path
    old_host: Path
    client: Path

    def tls(self, host: Path, *, wants_client: bool = False) -> str:
        """What nginx needs to know."""
        verify = f"ssl_verify_client on; ssl_client_certificate {self.ca};" if wants_client else ""
        return f"ssl_certificate {host}; ssl_certificate_key {host}; {verify}"


def authority(folder: Path) -> Authority:
    """Make all of them in a folder."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = folder / "ca.pem"
    signed = _builder("CA", ca_key, ca_key, 9)
    ca.write_bytes(signed.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    hosts = [_pair(folder / f"{name}.pem", ca_key, days) for name, days in _PAIRS.items()]
    return Authority(ca, *hosts)


_PAIRS = {"host": 9, "old": -9, "client": 9}
"""Days for which a certificate is valid from now on."""


def _pair(path: Path, ca_key: ec.EllipticCurvePrivateKey, days: int) -> Path:
    """Certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = _builder(path.stem, key, ca_key, days).add_extension(address, critical=False)
    certificate = builder.sign(ca_key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, ca_key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named("CA"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=365))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(key is ca_key, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer, critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
