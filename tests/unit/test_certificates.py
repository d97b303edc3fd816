"""The local authority and its leaf certificates, checked by OpenSSL in its strict mode."""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from dbyard.certificates import Authority
from dbyard.errors import ConfigError
from dbyard.model import Certificate


def handshake(directory: Path, leaf: Certificate, authority: str, hostname: str) -> None:
    """A TLS handshake in memory between a server with `leaf` and a strict client that trusts `authority`."""
    pair = directory / "pair.pem"
    pair.write_text(leaf.key + leaf.certificate)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(pair)
    client_context = ssl.create_default_context(cadata=authority)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=hostname)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    unfinished = [client, server]
    for _ in range(6):
        for side in tuple(unfinished):
            try:
                side.do_handshake()
                unfinished.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not unfinished


class TestIssue:
    @pytest.mark.parametrize("hostname", ["localhost", "127.0.0.1"])
    def test_a_strict_client_accepts_it(self, tmp_path: Path, hostname: str) -> None:
        authority = Authority.load_or_make(tmp_path / "ca")
        leaf = authority.issue("my-postgres-db")
        assert leaf.authority == authority.pem
        handshake(tmp_path, leaf, leaf.authority, hostname)

    def test_other_names_and_addresses(self, tmp_path: Path) -> None:
        leaf = Authority.load_or_make(tmp_path / "ca").issue("db", ["db.example.org", "::1"])
        for hostname in ("db.example.org", "::1"):
            handshake(tmp_path, leaf, leaf.authority, hostname)
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            handshake(tmp_path, leaf, leaf.authority, "localhost")

    def test_another_platforms_authority_is_not_trusted(self, tmp_path: Path) -> None:
        leaf = Authority.load_or_make(tmp_path / "ca").issue("db")
        other = Authority.load_or_make(tmp_path / "other")
        with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
            handshake(tmp_path, leaf, other.pem, "localhost")

    def test_every_leaf_has_its_own_key_and_serial(self, tmp_path: Path) -> None:
        authority = Authority.load_or_make(tmp_path / "ca")
        leaves = [authority.issue("db"), authority.issue("db")]
        assert leaves[0].key != leaves[1].key
        assert len({x509.load_pem_x509_certificate(leaf.certificate.encode()).serial_number for leaf in leaves}) == 2

    def test_is_for_servers_only_and_cannot_sign(self, tmp_path: Path) -> None:
        leaf = Authority.load_or_make(tmp_path / "ca").issue("x" * 80)
        extensions = x509.load_pem_x509_certificate(leaf.certificate.encode()).extensions
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        usage = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert [entry.dotted_string for entry in usage] == ["1.3.6.1.5.5.7.3.1"]
        assert "BEGIN PRIVATE KEY" in leaf.key
        load_pem_private_key(leaf.key.encode(), password=None)


class TestLoadOrMake:
    def test_makes_both_files_once(self, tmp_path: Path) -> None:
        directory = tmp_path / "ca"
        made = Authority.load_or_make(directory)
        assert Authority.load_or_make(directory).pem == made.pem == (directory / "ca.crt").read_text()
        assert stat.S_IMODE((directory / "ca.key").stat().st_mode) == 0o600
        assert sorted(os.listdir(directory)) == ["ca.crt", "ca.key"]
        assert os.listdir(tmp_path) == ["ca"]

    def test_goes_on_over_what_a_killed_process_left(self, tmp_path: Path) -> None:
        (tmp_path / ".ca.new").mkdir()
        (tmp_path / ".ca.new" / "ca.key").write_text("half")
        (tmp_path / "ca").mkdir()
        Authority.load_or_make(tmp_path / "ca")
        assert os.listdir(tmp_path) == ["ca"]

    def test_never_replaces_an_authority_that_it_cannot_use(self, tmp_path: Path) -> None:
        directory = tmp_path / "ca"
        Authority.load_or_make(directory)
        (directory / "ca.crt").write_text("damaged")
        key = (directory / "ca.key").read_bytes()
        with pytest.raises(ConfigError, match="damaged"):
            Authority.load_or_make(directory)
        assert (directory / "ca.key").read_bytes() == key

    def test_refuses_another_authoritys_key(self, tmp_path: Path) -> None:
        Authority.load_or_make(tmp_path / "ca")
        Authority.load_or_make(tmp_path / "other")
        (tmp_path / "other" / "ca.key").rename(tmp_path / "ca" / "ca.key")
        with pytest.raises(ConfigError, match="does not match the certificate"):
            Authority.load_or_make(tmp_path / "ca")

    def test_refuses_a_key_that_others_may_read(self, tmp_path: Path) -> None:
        Authority.load_or_make(tmp_path / "ca")
        (tmp_path / "ca" / "ca.key").chmod(0o640)
        with pytest.raises(ConfigError, match="chmod 600"):
            Authority.load_or_make(tmp_path / "ca")
