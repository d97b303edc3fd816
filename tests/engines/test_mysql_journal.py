"""The journals of real MySQLs and MariaDBs, as the platform reads them, and as another server replays them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from dbyard.engines.mysql import journal, mariadb, mysqld, replay
from dbyard.engines.mysql.events import began_at, split
from dbyard.engines.mysql.render import render_journal_settings
from dbyard.engines.mysql.servers import Server
from dbyard.engines.mysql.sizes import FILES_KEPT
from dbyard.errors import BackupDamaged, JournalLost, NotReady
from dbyard.model import MIB, JournalMark, Layout, Plan
from tests.engines.test_mysql import MARIADB, MYSQL, SERVERS, admin, connect, is_mariadb, rows
from tests.engines.test_mysql_backups import (
    CONTENT,
    HOSTILE,
    OF_MARIADB,
    accounts,
    back_up,
    execute,
    restore,
    run,
    write_pairs,
)

if TYPE_CHECKING:
    from tests.engines.conftest import Launch
    from tests.engines.conftest import Server as Running

MOST = 64 * MIB
NOT_ITS_OWN = (
    "SET SESSION sql_log_bin = 0",
    "SET GLOBAL sync_binlog = 0",
    "SET SESSION binlog_format = STATEMENT",
    "SET SESSION binlog_row_image = MINIMAL",
    "SET GLOBAL max_binlog_size = 4096",
    "PURGE BINARY LOGS BEFORE now()",
    "SHOW BINARY LOGS",
    "SHOW BINLOG EVENTS",
    "FLUSH BINARY LOGS",
    "BINLOG 'AAAA'",
    "SELECT * FROM mysql.dbyard_journal",
    "UPDATE mysql.dbyard_journal SET position = 0",
    "DROP TABLE mysql.dbyard_journal",
)
OF_NEXT_VERSION = (
    "CREATE TABLE harmless (id INT) /*!999999 COMMENT 'x' */",
    "ALTER TABLE harmless ADD COLUMN more INT /*M!999999 , RENAME TO mysql.evil */",
    "CREATE PROCEDURE four() BEGIN SELECT 1 /*!*/; END",
    "CREATE TABLE `a/*!*/;\n# at 4\nx` (id INT)",
)


@pytest.fixture(autouse=True)
def log_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is in no server of the platform's yet."""
    for module in (mysqld, mariadb):
        monkeypatch.setattr(module, "render_settings", with_log(module))


def with_log(server: Server) -> Callable[[Plan, Layout], Mapping[str, str]]:
    given = server.render_settings

    def render_settings(plan: Plan, layout: Layout) -> Mapping[str, str]:
        settings = {name: value for name, value in given(plan, layout).items() if name != "disable-log-bin"}
        return {**settings, **render_journal_settings(server, plan)}

    return render_settings


@pytest.fixture(params=SERVERS, ids="-".join)
def server(request: pytest.FixtureRequest, launch: Launch) -> Running:
    server = launch(*request.param)
    server.configure()
    return server


@pytest.fixture
def other(server: Running, launch: Launch) -> Running:
    """Another server of the same version, which is made and not started."""
    return launch(server.node.plan.technology, server.installation.version, start=False)


def keep(server: Running) -> JournalMark:
    mark = journal.keep_journal(server.endpoint, server.credentials)
    assert mark is not None
    return mark


def read(server: Running, mark: JournalMark, most: int = MOST) -> bytes:
    with journal.read_journal(server.endpoint, server.credentials, mark, most) as part:
        found = b"".join(part.pieces)
        assert len(found) == part.end - mark.position
    return found


def after(mark: JournalMark, content: bytes) -> JournalMark:
    return JournalMark(mark.identity, mark.position + len(content))


def break_off(server: Running, mark: JournalMark) -> None:
    with journal.read_journal(server.endpoint, server.credentials, mark, MOST) as part:
        next(part.pieces)
        raise ZeroDivisionError


def write(session: Any, count: int) -> None:
    execute(session, "CREATE TABLE IF NOT EXISTS written (text TEXT)")
    execute(session, *["INSERT INTO written VALUES (repeat('x', 1000))"] * count)


def kept(session: Any) -> list[str]:
    return [row[0] for row in rows(session, "SHOW BINARY LOGS")]


def put_and_replay(other: Running, mark: JournalMark, content: bytes, end: int | None = None) -> None:
    run(other, replay.render_journal(other.layout, mark), content)
    end = mark.position + len(content) if end is None else end
    run(other, replay.render_replay(other.layout, mark, end, None))


class TestJournal:
    def test_is_read_event_by_event_and_goes_on(self, server: Running) -> None:
        mark = keep(server)
        assert keep(server) == mark
        with closing(connect(server)) as tenant, closing(admin(server)) as session:
            before = time.time()
            write(tenant, 100)
            first = read(server, mark)
            assert first.count(b"x") >= 100 * 1000
            times = [at for event in split([first]) if (at := began_at(event)) is not None]
            assert len(times) == 101
            assert int(before) <= times[0] <= times[-1] <= time.time()
            further = after(mark, first)
            assert read(server, further) == b""
            write(tenant, 50)
            part = read(server, further, most=5000)
            assert 5000 <= len(part) < 8000
            further = after(further, part)
            execute(session, "FLUSH BINARY LOGS")
            files = kept(session)
        server.restart()
        assert 44 * 1000 < read(server, further).count(b"x") < 50 * 1000
        with closing(admin(server)) as session:
            assert kept(session)[0] > files[0]  # what is in the archive is removed

    def test_that_was_not_put_is_kept(self, server: Running) -> None:
        mark = keep(server)
        with closing(connect(server)) as tenant, closing(admin(server)) as session:
            write(tenant, 100)
            execute(session, "FLUSH BINARY LOGS")
            before = kept(session)
            with pytest.raises(ZeroDivisionError):
                break_off(server, mark)
            assert kept(session) == before
        assert read(server, mark).count(b"x") >= 100 * 1000

    def test_beyond_its_bound_is_lost_and_begins_anew(self, server: Running) -> None:
        mark = keep(server)
        with closing(connect(server)) as tenant, closing(admin(server)) as session:
            execute(session, "SET GLOBAL max_binlog_size = 4096")
            write(tenant, 10)
            assert read(server, mark)
            journal.bound_journal(server.endpoint, server.credentials)
            write(tenant, 90)
            journal.bound_journal(server.endpoint, server.credentials)
            assert len(kept(session)) <= FILES_KEPT + 1
            with pytest.raises(JournalLost):
                read(server, mark)
            again = keep(server)
            assert again.identity == mark.identity
            assert again.position > mark.position + 90_000
            write(tenant, 1)
            assert read(server, again).count(b"x") >= 1000
            with pytest.raises(JournalLost, match="another log"):
                read(server, JournalMark("00000000-0000-0000-0000-000000000000-0", again.position))
            execute(session, f"RESET {'MASTER' if is_mariadb(server) else 'BINARY LOGS AND GTIDS'}")
            with pytest.raises(JournalLost, match="another log"):
                read(server, again)
            assert keep(server).identity != mark.identity

    def test_of_a_server_that_is_down_waits(self, server: Running) -> None:
        mark = keep(server)
        server.stop()
        with pytest.raises(NotReady):
            read(server, mark)

    def test_is_out_of_the_reach_of_a_tenant(self, server: Running) -> None:
        keep(server)
        with closing(connect(server)) as tenant:
            for statement in NOT_ITS_OWN:
                with pytest.raises(pymysql.MySQLError, match=r"denied|not allowed|you need"):
                    execute(tenant, statement)
            execute(tenant, "CREATE FUNCTION one() RETURNS INT RETURN 1")

    def test_has_nothing_of_what_the_platform_does(self, server: Running) -> None:
        mark = keep(server)
        server.configure(reset=True)
        server.restart(admin_only=True)
        server.configure()
        server.restart(admin_only=False)
        found = [event for event in split([read(server, mark)]) if began_at(event) is not None]
        assert found == []


class TestReplay:
    def test_brings_back_all_that_was_written_since(self, server: Running, other: Running) -> None:
        mark = keep(server)
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE loose (id INT PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO loose VALUES (1)")
        made = back_up(server)
        hostile = (*HOSTILE, *OF_NEXT_VERSION[:1], *OF_NEXT_VERSION[2:])
        with closing(connect(server)) as tenant:
            execute(tenant, *CONTENT, *(OF_MARIADB if is_mariadb(server) else ()), *hostile)
            execute(tenant, "INSERT INTO loose VALUES (2)", "DELETE FROM loose WHERE id = 1")
            execute(tenant, "DELETE FROM log", "UPDATE customer SET name = concat(name, 'x')")
            wanted = {each: rows(tenant, f"CHECKSUM TABLE {each}") for each in ("customer", "bill", "parts", "loose")}
        user = f"{server.credentials.user}@%"
        with closing(admin(server)) as session:
            known = accounts(session)
        restore(other, made)
        put_and_replay(other, mark, read(server, mark))
        other.start()
        with closing(admin(other)) as session:
            found = accounts(session)
            assert (set(found), found[user]) == (set(known), known[user])
            assert not [name for (name,) in rows(session, "SHOW TABLES FROM mysql") if "evil" in name]
            events = "SELECT event_name, definer, status FROM information_schema.events ORDER BY 1"
            assert rows(session, events) == [("hourly", user, "ENABLED"), ("three", user, "ENABLED")]
        other.configure()
        with closing(connect(other)) as tenant:
            assert {each: rows(tenant, f"CHECKSUM TABLE {each}") for each in wanted} == wanted
            assert rows(tenant, "SELECT id FROM loose") == [(2,)]
            execute(tenant, "CALL add_bill(2)")
        assert not list(other.layout.data.glob("dbyard*"))

    def test_begins_at_the_snapshot_and_ends_at_the_moment(self, server: Running, other: Running) -> None:
        """While four write pairs, of which none is twice and none is missing."""
        mark = keep(server)
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE a (id BIGINT PRIMARY KEY)", "CREATE TABLE z (id BIGINT PRIMARY KEY)")
        stopping, written = threading.Event(), [0] * 4
        threads = [threading.Thread(target=write_pairs, args=(server, at, stopping, written)) for at in range(4)]
        for thread in threads:
            thread.start()
        try:
            while min(written) < 20:
                assert any(thread.is_alive() for thread in threads)
            made = back_up(server)
        finally:
            stopping.set()
            for thread in threads:
                thread.join(30)
        with closing(connect(server)) as tenant:
            wanted = rows(tenant, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM z)")
            moment = time.time()
            time.sleep(1.1 if is_mariadb(server) else 0)  # it tells times to the second
            execute(tenant, "DROP TABLE a")
        content = read(server, mark)
        end = replay.find_moment([content[:1000], content[1000:]], mark.position, moment)
        assert end is not None
        assert replay.find_moment([content], mark.position, time.time()) is None
        with pytest.raises(BackupDamaged):
            replay.find_moment([content[1:]], mark.position, moment)
        restore(other, made)
        put_and_replay(other, mark, content, end)
        other.start()
        other.configure()
        with closing(connect(other)) as tenant:
            assert rows(tenant, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM z)") == wanted
        run(other, replay.render_replay(other.layout, mark, end, None))  # it is done


@pytest.mark.parametrize(("layout", "refuses"), [(MYSQL, False), (MARIADB, True)])
def test_a_journal_of_another_version_is_refused_where_it_could_do_more(layout: Layout, *, refuses: bool) -> None:
    for version, is_other in (("90704", layout is MARIADB), ("101119", layout is MYSQL)):
        *_, refusal = replay.render_replay(layout, JournalMark(f"a-b-{version}", 0), 100, None).argv
        assert bool(refusal) is (refuses and is_other)
