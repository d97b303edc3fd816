"""What a running server reads again: its certificate, and who may come in. What is connected stays connected."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from cryptography import x509

from dbyard.certificates import Authority
from dbyard.engines import Reload
from dbyard.errors import TemporaryError
from dbyard.model import Certificate, File
from tests.engines.test_configure import open_tenant, reads, url
from tests.tenants.mysql import connect as connect_mysql

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engines.conftest import Launch, Server


def reload(server: Server) -> None:
    assert isinstance(server.engine, Reload)
    server.engine.reload(server.endpoint, server.credentials.admin_password)


def served_certificate(server: Server) -> int:
    """The serial number of the certificate that a new connection is shown."""
    if server.engine.TECHNOLOGY == "postgresql":
        return serial(ssl_of_postgresql(server))
    with closing(connect_mysql_by_tls(server)) as connection:
        return serial(connection._sock)


def connect_mysql_by_tls(server: Server) -> Any:
    authority = server.layout.run / "authority.pem"
    authority.write_text(server.credentials.certificate.authority)
    return connect_mysql(url(server), authority=str(authority))


def ssl_of_postgresql(server: Server) -> ssl.SSLSocket:
    """As libpq asks for TLS: eight bytes, and an S for yes."""
    context = ssl.create_default_context(cadata=server.credentials.certificate.authority)
    plain = socket.create_connection((server.endpoint.host, server.endpoint.port))
    plain.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
    assert plain.recv(1) == b"S"
    return context.wrap_socket(plain, server_hostname=server.endpoint.host)


def serial(connection: ssl.SSLSocket) -> int:
    """Of the certificate at the other end."""
    with connection:
        certificate = connection.getpeercert(binary_form=True)
    assert certificate
    return x509.load_der_x509_certificate(certificate).serial_number


@contextmanager
def session(server: Server) -> Iterator[Callable[[str], object]]:
    """Runs statements of the tenant's in one session, over TLS."""
    if server.engine.TECHNOLOGY == "postgresql":
        with psycopg.connect(url(server), autocommit=True, sslmode="require") as postgresql:
            yield lambda statement: postgresql.execute(statement.encode()).fetchone()
    else:
        with closing(connect_mysql_by_tls(server)) as mysql, mysql.cursor() as cursor:
            yield lambda statement: cursor.execute(statement) and cursor.fetchone()


def serial_of(certificate: Certificate) -> int:
    return x509.load_pem_x509_certificate(certificate.certificate.encode()).serial_number


@pytest.mark.parametrize(
    ("technology", "version"), [("postgresql", "15"), ("postgresql", "17"), ("mysql", "9.7"), ("mysql", "10.11")]
)
class TestCertificate:
    def test_a_renewed_one_is_served_while_sessions_live_on(
        self, technology: str, version: str, launch: Launch, authority: Authority
    ) -> None:
        server = launch(technology, version)
        server.configure()
        old = server.credentials.certificate
        assert served_certificate(server) == serial_of(old)
        with session(server) as execute:
            assert execute("SELECT 1") == (1,)
            renewed = authority.issue("my-test-db")
            server.credentials = replace(server.credentials, certificate=renewed)
            server.update_files()
            assert served_certificate(server) == serial_of(old)
            for _ in range(2):
                reload(server)
            assert served_certificate(server) == serial_of(renewed) != serial_of(old)
            assert execute("SELECT 2") == (2,)


class TestAccessRules:
    @pytest.mark.parametrize("version", ["15", "17"])
    def test_close_and_open_while_sessions_live_on(self, version: str, launch: Launch) -> None:
        server = launch("postgresql", version)
        server.configure()
        with closing(open_tenant(server)) as tenant:
            tenant.write(1)
            server.update_files(admin_only=True)
            reload(server)
            with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
                psycopg.connect(url(server))
            tenant.write(2)
            server.update_files(admin_only=False)
            reload(server)
            assert reads(server)
            assert tenant.read() == {1, 2}

    def test_a_file_that_the_server_refuses_is_told(self, launch: Launch) -> None:
        server = launch("postgresql", "17")
        (rules,) = [file for file in server.spec.files if file.path.name == "pg_hba.conf"]
        server._write(replace(server.spec, files=(File(rules.path, rules.content + "nonsense\n"),)))
        with pytest.raises(TemporaryError, match="invalid connection type"):
            reload(server)
        server.update_files()
        reload(server)

    def test_a_plan_that_takes_a_start_is_no_mistake(self, launch: Launch) -> None:
        server = launch("postgresql", "17")
        server.update_files(plan=replace(server.node.plan, memory_mb=1024, connections=200))
        reload(server)


@pytest.mark.parametrize("version", ["15", "17"])
class TestReplication:
    def test_a_base_backup_of_a_running_server(self, version: str, launch: Launch, tmp_path: Path) -> None:
        server = launch("postgresql", version)
        server.configure()
        with closing(open_tenant(server)) as tenant:
            tenant.write(1)
            copy = server.layout.run / "copy"
            where = f"host={server.endpoint.host} port={server.endpoint.port} user=dbyard"
            program = str(server.layout.bin / "pg_basebackup")
            environment = {"PGPASSWORD": server.credentials.admin_password}
            server.run(program, "-d", where, "-D", str(copy), "-X", "stream", "-c", "fast", env=environment)
            assert (copy / "backup_label").is_file()
            tenant.write(2)

    def test_is_not_the_tenants(self, version: str, launch: Launch) -> None:
        server = launch("postgresql", version)
        server.configure()
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry for replication"):
            psycopg.connect(url(server), replication="true")
