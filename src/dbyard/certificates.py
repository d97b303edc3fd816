"""The local certificate authority and the leaf certificates of database servers."""

from __future__ import annotations

import ipaddress
import os
import shutil
import stat
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dbyard.errors import ConfigError
from dbyard.model import Certificate

_AUTHORITY_LIFE = timedelta(days=3652)
_LEAF_LIFE = timedelta(days=825)  # the limit of the strictest clients
_CLOCK_SKEW = timedelta(hours=1)
_COMMON_NAME_LIMIT = 64  # by RFC 5280

_KEY_FILE = "ca.key"
_CERTIFICATE_FILE = "ca.crt"


class Authority:
    """Signs the certificates of one platform's servers; clients trust `pem`."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate
        self.pem = _certificate_text(certificate)

    @classmethod
    def load_or_make(cls, directory: Path) -> Authority:
        """The authority in `directory`, created at the first call: key and certificate appear together or not at all.

        Raises ConfigError if it cannot be used.
        """
        if not directory.exists() or not any(directory.iterdir()):
            _make(directory)
        try:
            return cls(*_load(directory))
        except OSError as error:
            raise ConfigError(f"cannot read the certificate authority in {directory}: {error}") from error

    def issue(self, common_name: str, hosts: Iterable[str] = ("localhost", "127.0.0.1")) -> Certificate:
        """A new key and its certificate for a server with these names and IP addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [_alternative(host) for host in hosts]
        builder = (
            _builder(common_name, key.public_key(), _LEAF_LIFE)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return Certificate(_certificate_text(builder.sign(self._key, SHA256())), _key_text(key), self.pem)


def ends_at(certificate: str) -> float:
    """When a certificate (PEM) ends, in Unix time."""
    return x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc.timestamp()


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _make(directory: Path) -> None:
    """Write and sync both files in a temporary directory, then rename it."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign_own(key)
    temporary = directory.with_name(f".{directory.name}.new")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o755)
        _write(temporary / _KEY_FILE, _key_text(key), 0o600)
        _write(temporary / _CERTIFICATE_FILE, _certificate_text(certificate), 0o644)
        _sync(temporary)
        temporary.rename(directory)
        _sync(directory.parent)
    except OSError as error:
        raise ConfigError(f"cannot make the certificate authority in {directory}: {error}") from error


def _sign_own(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # A random name, so that a client which trusts several platforms can tell their authorities apart.
    name = f"dbyard authority {os.urandom(4).hex()}"
    builder = (
        _builder(name, key.public_key(), _AUTHORITY_LIFE)
        .issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return builder.sign(key, SHA256())


def _load(directory: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file, certificate_file = directory / _KEY_FILE, directory / _CERTIFICATE_FILE
    if stat.S_IMODE(key_file.stat().st_mode) & 0o077:
        raise ConfigError(f"other users can read the authority's key {key_file}: run `chmod 600 {key_file}`")
    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ConfigError(f"the certificate authority in {directory} is damaged: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ConfigError(f"in {directory} the key does not match the certificate")
    return key, certificate


def _builder(common_name: str, public_key: ec.EllipticCurvePublicKey, life: timedelta) -> x509.CertificateBuilder:
    start = datetime.now(UTC).replace(microsecond=0) - _CLOCK_SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_LIMIT])])


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _certificate_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _write(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
