"""The journal of a real PostgreSQL, as the platform reads it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from dbyard.engines import postgresql
from dbyard.errors import JournalLost, NotReady
from dbyard.model import MIB, JournalMark
from tests.engines.test_postgresql_databases import admin

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

MOST = 64 * MIB


@pytest.fixture(params=["17", "15"])
def server(request: pytest.FixtureRequest, launch: Launch) -> Server:
    server = launch("postgresql", request.param)
    server.configure()
    return server


def keep(server: Server) -> JournalMark:
    mark = postgresql.keep_journal(server.endpoint, server.credentials)
    assert mark is not None
    return mark


def read(server: Server, mark: JournalMark, most: int = MOST) -> bytes:
    with postgresql.read_journal(server.endpoint, server.credentials, mark, most) as part:
        found = b"".join(part.pieces)
        assert len(found) == part.end - mark.position
    return found


def break_off(server: Server, mark: JournalMark) -> None:
    with postgresql.read_journal(server.endpoint, server.credentials, mark, MOST) as part:
        next(part.pieces)
        raise ZeroDivisionError


def write(session: psycopg.Connection, rows: int) -> None:
    session.execute("CREATE TABLE IF NOT EXISTS written (text text)")
    session.execute("INSERT INTO written SELECT repeat('x', 1000) FROM generate_series(1, %s)", (rows,))


def kept_from(session: psycopg.Connection) -> int:
    (found,) = session.execute("SELECT restart_lsn - '0/0' FROM pg_replication_slots").fetchone() or ()
    return int(found)


class TestJournal:
    def test_is_read_up_to_the_byte_and_goes_on(self, server: Server) -> None:
        mark = keep(server)
        assert keep(server) == mark
        with closing(admin(server)) as session:
            write(session, 100)
            first = read(server, mark)
            assert first.count(b"x") >= 100 * 1000
            (log,) = (
                session.execute(
                    "SELECT pg_read_binary_file('pg_wal/' || pg_walfile_name('0/0'::pg_lsn + %s))", (mark.position + 1,)
                ).fetchone()
                or ()
            )
            assert first.startswith(log[: min(len(first), len(log))])
            further = JournalMark(mark.identity, mark.position + len(first))
            assert kept_from(session) == further.position
            assert read(server, further) == b""
            write(session, 50)
            assert len(read(server, further, most=1000)) == 1000
            assert kept_from(session) == further.position + 1000
        server.restart()
        assert read(server, JournalMark(mark.identity, further.position + 1000)).count(b"x") >= 49 * 1000

    def test_that_was_not_put_is_kept(self, server: Server) -> None:
        mark = keep(server)
        with closing(admin(server)) as session:
            write(session, 100)
            before = kept_from(session)
            with pytest.raises(ZeroDivisionError):
                break_off(server, mark)
            assert kept_from(session) == before
        assert read(server, mark).count(b"x") >= 100 * 1000

    def test_beyond_its_bound_is_lost_and_begins_anew(self, server: Server) -> None:
        mark = keep(server)
        with closing(admin(server)) as session:
            session.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
            session.execute("SELECT pg_reload_conf()")
            for _ in range(4):
                write(session, 10_000)
                session.execute("SELECT pg_switch_wal()")
            session.execute("CHECKPOINT")
            with pytest.raises(JournalLost):
                read(server, mark)
            again = keep(server)
            assert again.position > mark.position
            assert read(server, again)
            with pytest.raises(JournalLost):
                read(server, mark)
            with pytest.raises(JournalLost, match="another log"):
                read(server, JournalMark("1-1", again.position))

    def test_without_a_bound_is_not_kept(self, server: Server) -> None:
        with closing(admin(server)) as session:
            session.execute("ALTER SYSTEM SET max_slot_wal_keep_size = -1")
            session.execute("SELECT pg_reload_conf()")
            assert postgresql.keep_journal(server.endpoint, server.credentials) is None
            assert session.execute("SELECT count(*) FROM pg_replication_slots").fetchone() == (0,)

    def test_of_a_server_that_is_down_waits(self, server: Server) -> None:
        mark = keep(server)
        server.stop()
        with pytest.raises(NotReady):
            read(server, mark)
