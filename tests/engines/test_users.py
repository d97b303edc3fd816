"""Users beside the tenant's own, on every server, by the clients that people have."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pymysql
import pytest

from dbyard import installations
from dbyard.errors import LockedOut, NotReady
from dbyard.model import Applied, Credentials, User
from tests import tenants
from tests.engines.conftest import Launch, Server

SERVERS = [
    ("postgresql", "17"),
    ("postgresql", "15"),
    ("mysql", "9.7"),
    ("mariadb", "10.11"),
    ("mongodb", "0.7"),
    ("influxdb", "1.6"),
    ("redis", "7.0"),
    ("opensearch", "2.19"),
]
WRITER = User("writer_01", "writerPassword-0123456789", reset=True)
READER = User("Reader-02", "readerPassword-0123456789", reset=True, read_only=True)
BOTH = (WRITER, READER)
KNOWN = tuple(replace(each, reset=False) for each in BOTH)
SECONDS = 20.0


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def server(request: pytest.FixtureRequest, launch_shared: Launch) -> Iterator[Server]:
    """With both users, who were there before anything else was made."""
    server = launch_shared(*request.param)
    assert server.configure() == Applied()
    assert server.configure(users=BOTH) == Applied()
    server.node = replace(server.node, users=KNOWN)
    yield server
    server.stop()


def of(server: Server, user: User) -> Credentials:
    return replace(server.credentials, user=user.name, password=user.password)


def connect(server: Server, user: User | None = None) -> tenants.Tenant:
    credentials = of(server, user) if user else server.credentials
    module = tenants.load(server.installation.technology)
    return module.Tenant(server.engine.url(server.endpoint, credentials))


def errors(server: Server) -> tuple[type[Exception], ...]:
    return tenants.load(server.installation.technology).ERRORS


def check(server: Server, user: User) -> None:
    server.engine.check_login(server.endpoint, of(server, user))


def refuses(server: Server, user: User) -> None:
    with pytest.raises((LockedOut, NotReady)):
        check(server, user)


def await_read(tenant: tenants.Tenant, wanted: set[int]) -> None:
    """Some servers show what was written a moment later."""
    deadline = time.monotonic() + SECONDS
    while (found := tenant.read()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


class TestUsers:
    def test_are_let_in(self, server: Server) -> None:
        for user in BOTH:
            check(server, user)

    def test_share_their_data_and_a_reader_changes_nothing(self, server: Server) -> None:
        with closing(connect(server)) as owner, closing(connect(server, WRITER)) as writer:
            owner.write(1)
            writer.write(2)
            await_read(owner, {1, 2})
        with closing(connect(server, READER)) as reader:
            await_read(reader, {1, 2})
            with pytest.raises(errors(server)):
                reader.write(3)
            await_read(reader, {1, 2})

    @pytest.mark.parametrize("user", BOTH, ids=lambda user: user.name)
    def test_reach_no_further_than_the_tenant(self, server: Server, user: User) -> None:
        module = tenants.load(server.installation.technology)
        with closing(connect(server, user)) as tenant:
            for escapes in module.ESCAPES.values():
                for escape in escapes:
                    with pytest.raises(module.ERRORS):
                        tenant.attempt(escape)

    def test_nothing_changes_when_they_are_as_they_should_be(self, server: Server) -> None:
        with closing(connect(server, WRITER)) as writer:
            assert server.configure(users=KNOWN) == Applied()
            writer.write(4)
        with closing(connect(server)) as owner:
            await_read(owner, {1, 2, 4})

    def test_a_new_password_ends_the_sessions_of_the_old_one(self, server: Server) -> None:
        changed = replace(WRITER, password="anotherPassword-0123456789")
        session = connect(server, WRITER)
        assert server.configure(users=(changed, KNOWN[1])) == Applied()
        with pytest.raises(errors(server)):
            session.write(5)
        session.close()
        refuses(server, WRITER)
        check(server, changed)
        check(server, READER)
        assert server.configure(users=BOTH) == Applied()
        check(server, WRITER)

    def test_one_that_only_read_may_write(self, server: Server) -> None:
        """It was removed and made again, and older data have come back since."""
        assert server.configure(users=(WRITER, replace(READER, read_only=False))) == Applied()
        with closing(connect(server, READER)) as writer:
            writer.write(6)
        assert server.configure(users=BOTH) == Applied()
        with closing(connect(server, READER)) as reader, pytest.raises(errors(server)):
            reader.write(7)

    def test_outlive_a_restart(self, server: Server) -> None:
        server.restart()
        for user in BOTH:
            check(server, user)
        assert server.configure(users=KNOWN) == Applied()

    def test_end_when_they_are_removed(self, server: Server) -> None:
        sessions = [connect(server, user) for user in BOTH]
        names = tuple(user.name for user in BOTH)
        assert server.configure(removed=names) == Applied()
        for session in sessions:
            with pytest.raises(errors(server)):
                session.read()
            session.close()
        for user in BOTH:
            refuses(server, user)
        with closing(connect(server)) as owner:
            await_read(owner, {1, 2, 4, 6})
        assert server.configure(removed=names) == Applied()

    def test_come_back(self, server: Server) -> None:
        assert server.configure(users=BOTH) == Applied()
        with closing(connect(server, WRITER)) as writer, closing(connect(server, READER)) as reader:
            writer.write(8)
            await_read(reader, {1, 2, 4, 6, 8})


class TestPostgresql:
    @pytest.fixture(params=["15", "17"])
    def server(self, request: pytest.FixtureRequest, launch: Launch) -> Server:
        server = launch("postgresql", request.param)
        assert server.configure(users=BOTH) == Applied()
        return server

    def connect(self, server: Server, user: User | None = None) -> psycopg.Connection:
        credentials = of(server, user) if user else server.credentials
        return psycopg.connect(server.engine.url(server.endpoint, credentials), autocommit=True)

    def test_what_a_writer_makes_is_the_owners(self, server: Server) -> None:
        with self.connect(server, WRITER) as writer:
            writer.execute("CREATE SCHEMA later; CREATE TABLE later.made (a int); INSERT INTO later.made VALUES (1)")
        with self.connect(server) as owner:
            owner.execute("ALTER TABLE later.made ADD COLUMN b int; CREATE SEQUENCE later.counter")
        with self.connect(server, READER) as reader:
            assert reader.execute("SELECT a, b FROM later.made").fetchone() == (1, None)
            reader.execute("SELECT last_value FROM later.counter")

    def test_a_reader_that_lifts_its_setting_writes_nothing(self, server: Server) -> None:
        with self.connect(server) as owner:
            owner.execute("CREATE TABLE made (a int)")
        with self.connect(server, READER) as reader:
            reader.execute("SET default_transaction_read_only = off")
            for statement in ("INSERT INTO made VALUES (1)", "CREATE TABLE mine (a int)", "DROP TABLE made"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(statement)

    def test_what_one_owned_itself_goes_to_the_owner(self, server: Server) -> None:
        """In a database of its own, too, and though it may lend its rights."""
        with self.connect(server) as owner:
            owner.execute("CREATE DATABASE another")
            owner.execute(f'GRANT ALL ON DATABASE another TO "{WRITER.name}"')
            owner.execute(f'GRANT ALL ON SCHEMA public TO "{WRITER.name}"')
        with self.connect(server, WRITER) as writer:
            writer.execute("SET ROLE NONE; CREATE TABLE own (a int); GRANT SELECT ON own TO PUBLIC")
        assert server.configure(users=KNOWN[1:], removed=(WRITER.name,)) == Applied()
        with self.connect(server) as owner:
            row = owner.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'own'").fetchone()
            assert row == (server.credentials.user,)
            roles = owner.execute("SELECT rolname FROM pg_roles WHERE rolname = %s", (WRITER.name,)).fetchall()
            assert roles == []

    def test_one_that_a_closed_database_holds_is_shut_out(self, server: Server) -> None:
        """It stays as a role without rights, and comes back if it is made again."""
        with self.connect(server) as owner:
            owner.execute("CREATE DATABASE another")
            owner.execute(f'GRANT ALL ON DATABASE another TO "{WRITER.name}"')
        other = psycopg.connect(
            server.engine.url(server.endpoint, replace(of(server, WRITER), database="another")), autocommit=True
        )
        other.execute("SET ROLE NONE; CREATE SCHEMA own")
        with self.connect(server) as owner:
            owner.execute("ALTER DATABASE another ALLOW_CONNECTIONS false")
        other.close()
        assert server.configure(users=KNOWN[1:], removed=(WRITER.name,)) == Applied()
        refuses(server, WRITER)
        with self.connect(server) as owner:
            query = """SELECT rolcanlogin, (SELECT count(*) FROM pg_auth_members WHERE member = r.oid)
                FROM pg_roles r WHERE rolname = %s"""
            assert owner.execute(query, (WRITER.name,)).fetchone() == (False, 0)
        assert server.configure(users=BOTH) == Applied()
        check(server, WRITER)


class TestMysql:
    @pytest.mark.parametrize(("technology", "version"), [("mysql", "9.7"), ("mariadb", "10.11")])
    def test_what_acts_for_a_removed_user_goes_on(self, technology: str, version: str, launch: Launch) -> None:
        if installations.find(technology, version) is None:
            pytest.skip(f"{technology} {version} is not installed")
        server = launch(technology, version)
        assert server.configure(users=BOTH) == Applied()

        def ask(user: User | None, *statements: str) -> object:
            credentials = of(server, user) if user else server.credentials
            connection = pymysql.connect(
                host=server.layout.host,
                port=server.layout.port,
                user=credentials.user,
                password=credentials.password,
                database=credentials.database,
            )
            with connection, connection.cursor() as session:
                for statement in statements:
                    session.execute(statement)
                return session.fetchall()

        ask(WRITER, "CREATE TABLE made (a int)", "CREATE VIEW seen AS SELECT * FROM made")
        with pytest.raises(pymysql.Error, match=re.compile("denied", re.IGNORECASE)):
            ask(READER, "CREATE TEMPORARY TABLE mine (a int)")
        assert server.configure(removed=(WRITER.name, READER.name)) == Applied()
        assert ask(None, "INSERT INTO made VALUES (1)", "COMMIT", "SELECT * FROM seen") == ((1,),)
        for user in BOTH:
            refuses(server, user)
        assert server.configure(users=BOTH) == Applied()
        assert ask(WRITER, "SELECT * FROM seen") == ((1,),)
