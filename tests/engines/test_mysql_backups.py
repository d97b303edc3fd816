"""Backups of real MySQLs and MariaDBs: all that a tenant has comes back, and a dump does nothing that its tenant could
not do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from benchmarks.floor import in_its_root

from dbyard.engines import mysql
from tests.disks import make_directory
from tests.engines.test_mysql import SERVERS, admin, connect, is_mariadb, rows
from tests.strangers import where_all_may_pass

if TYPE_CHECKING:
    from dbyard.model import Tool
    from tests.engines.conftest import Launch
    from tests.engines.conftest import Server as Running

CONTENT = (
    "CREATE TABLE customer (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50), about JSON,"
    " length INT GENERATED ALWAYS AS (char_length(name)) STORED, twice INT AS (char_length(name) * 2) VIRTUAL,"
    " picture BLOB)",
    "CREATE TABLE bill (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES customer (id))",
    "CREATE TABLE log (line TEXT)",
    "CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO parts VALUES (1), (2)",
    "INSERT INTO customer (name, about, picture) VALUES ('Zoë 🦆 \\'\\n;;', '{\"a\": [1, null]}', x'00ff0a0d1a5c27')",
    "INSERT INTO bill VALUES (1, 1)",
    "INSERT INTO old VALUES (7)",
    "CREATE FUNCTION twice_of(a INT) RETURNS INT DETERMINISTIC RETURN a * 2",
    "CREATE PROCEDURE add_bill(n INT) BEGIN INSERT INTO bill VALUES (n, 1); END",
    "CREATE TRIGGER logged AFTER INSERT ON bill FOR EACH ROW INSERT INTO log VALUES (concat('bill ', NEW.id))",
    "CREATE VIEW known AS SELECT name, twice_of(id) AS doubled FROM customer",
    "CREATE EVENT hourly ON SCHEDULE EVERY 1 SECOND DO INSERT INTO log VALUES ('event')",
    "CREATE DATABASE `other ``db; -- \n\\n`",
    "CREATE TABLE `other ``db; -- \n\\n`.`a b` (id INT)",
    "INSERT INTO `other ``db; -- \n\\n`.`a b` VALUES (1), (2), (3)",
)
OF_MARIADB = (
    "CREATE SEQUENCE numbers START WITH 40",
    "SELECT NEXT VALUE FOR numbers",
    "CREATE TABLE versioned (id INT) WITH SYSTEM VERSIONING",
    "INSERT INTO versioned VALUES (1)",
    "UPDATE versioned SET id = 2",
)
# What a server takes for a comment, or for text, and its client does not: the rest would be a statement of its own.
EVIL = "CREATE USER evil; GRANT ALL PRIVILEGES ON *.* TO evil"
HOSTILE = (
    f"CREATE PROCEDURE two() BEGIN SELECT 1; /* ;; {EVIL};; */ END",
    f"CREATE PROCEDURE three() BEGIN SELECT '*/ ;; {EVIL};; /*'; END",
    f"CREATE TABLE `x\n\\! touch owned\nx` (id INT COMMENT '*/; {EVIL}; /*')",
    f"CREATE TABLE `*/; {EVIL}; /*` (id INT)",
    f"CREATE VIEW `v*/; {EVIL}; /*` AS SELECT '*/; {EVIL}; /*' AS a",
    f"CREATE EVENT three ON SCHEDULE EVERY 1 HOUR COMMENT '*/; {EVIL}; /*' DO SELECT '*/; {EVIL}; /*'",
    f"CREATE TRIGGER four BEFORE INSERT ON log FOR EACH ROW BEGIN SET @a = '*/ ;; {EVIL};; /*'; END",
)


@pytest.fixture(params=SERVERS, ids="-".join)
def server(request: pytest.FixtureRequest, launch: Launch) -> Running:
    server = launch(*request.param)
    server.configure()
    return server


@pytest.fixture
def other(server: Running, launch: Launch) -> Running:
    """Another server of the same version, which is made and not started."""
    return launch(server.node.plan.technology, server.installation.version, start=False)


class TestRestore:
    def test_brings_back_all_that_the_tenant_has(self, server: Running, other: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, *CONTENT, *(OF_MARIADB if is_mariadb(server) else ()))
        restore(other, back_up(server))
        other.start()
        assert other.configure() is not None
        with closing(connect(other)) as tenant:
            assert rows(tenant, "SELECT name, length, twice, json_extract(about, '$.a[0]'), picture FROM customer") == [
                ("Zoë 🦆 '\n;;", 10, 20, "1", b"\x00\xff\x0a\x0d\x1a\x5c\x27")
            ]
            assert rows(tenant, "SELECT * FROM known") == [("Zoë 🦆 '\n;;", 2)]
            assert rows(tenant, "SELECT id FROM old") == [(7,)]
            assert rows(tenant, "SELECT id FROM `other ``db; -- \n\\n`.`a b`") == [(1,), (2,), (3,)]
            execute(tenant, "CALL add_bill(2)")
            assert ("bill 2",) in rows(tenant, "SELECT line FROM log")
            with pytest.raises(Exception, match="foreign key"):
                execute(tenant, "INSERT INTO bill VALUES (3, 99)")
            assert rows(tenant, "SELECT event_name, definer FROM information_schema.events") == [
                ("hourly", f"{other.credentials.user}@%")
            ]
            if is_mariadb(server):
                assert rows(tenant, "SELECT NEXT VALUE FOR numbers > 40") == [(1,)]
                assert rows(tenant, "SELECT id FROM versioned FOR SYSTEM_TIME ALL ORDER BY id") == [(1,), (2,)]

    def test_the_accounts_are_as_they_were(self, server: Running, other: Running) -> None:
        user = server.credentials.user
        with closing(admin(server)) as session:
            wanted = accounts(session)
        restore(other, back_up(server))
        other.start()
        with closing(admin(other)) as session:
            found = accounts(session)
            assert set(found) == set(wanted) == {"dbyard@%", f"{user}@%"}
            assert found[f"{user}@%"] == wanted[f"{user}@%"]
            assert rows(session, "SELECT count(*) > 100 FROM mysql.time_zone_name") == [(1,)]
        connect(other).close()  # by the tenant's password

    def test_does_nothing_that_the_tenant_could_not(self, server: Running, other: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE log (line TEXT)", *HOSTILE)
        made, work = back_up(server), make_directory()
        try:
            run_in(work, other, mysql.render_restore(other.layout), made)
            assert not list(work.rglob("owned"))
        finally:
            shutil.rmtree(work)
        assert not list(other.layout.data.rglob("owned"))
        other.start()
        with closing(admin(other)) as session:
            assert rows(session, "SELECT user FROM mysql.user WHERE user = 'evil'") == []

    def test_refuses_what_is_cut(self, server: Running, other: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE a (id INT)", "INSERT INTO a VALUES (1)")
        made = back_up(server)
        for cut in (b"", made[:100], made[: made.rindex(b"SELECT 'whole'")]):
            with pytest.raises(subprocess.CalledProcessError):
                restore(other, cut)

    def test_begins_anew_after_it_was_killed(self, server: Running, other: Running) -> None:
        made = back_up(server)
        (other.layout.data / "left").mkdir()
        restore(other, made)
        assert not (other.layout.data / "left").exists()
        assert not list(other.layout.data.glob("load.*"))

    def test_refuses_what_its_client_would_run_as_a_statement_of_its_own(self, server: Running, other: Running) -> None:
        """The server takes it for a comment, and the client does not."""
        with closing(connect(server)) as tenant:
            execute(tenant, f"CREATE PROCEDURE one() BEGIN --\x01;; {EVIL};;\n END")
        with pytest.raises(subprocess.CalledProcessError) as failed:
            restore(other, back_up(server))
        assert "denied" in failed.value.stderr.decode() or "syntax" in failed.value.stderr.decode()


class TestBackup:
    def test_of_no_database_at_all(self, server: Running, other: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, f"DROP DATABASE `{server.credentials.database}`")
        restore(other, back_up(server))
        other.start()
        other.configure()
        connect(other).close()

    def test_transactions_are_in_it_as_a_whole(self, server: Running, other: Running) -> None:
        """While four write pairs: of no pair only one half is there."""
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
        restore(other, made)
        other.start()
        with closing(admin(other)) as session:
            a, z = (rows(session, f"SELECT id FROM `{server.credentials.database}`.{each}") for each in "az")  # noqa: S608
        assert set(a) == set(z)
        assert len(a) >= 80

    def test_says_which_event_the_program_cannot_write(self, server: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE EVENT mine ON SCHEDULE EVERY 1 HOUR DO SELECT ';;'")
        with pytest.raises(subprocess.CalledProcessError) as failed:
            back_up(server)
        assert f"{server.credentials.database}.mine" in failed.value.stderr.decode()

    def test_a_transaction_that_does_not_end_does_not_hold_it(self, server: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE a (id INT PRIMARY KEY)", "INSERT INTO a VALUES (1)")
            execute(tenant, "BEGIN", "UPDATE a SET id = 2")
            assert b"INSERT INTO `a` VALUES (1)" in back_up(server).replace(b"VALUES\n", b"VALUES ")


class TestCheck:
    def test_passes_what_is_whole(self, server: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, *CONTENT, "DROP TABLE log")
        run(server, mysql.render_check(server.layout, server.credentials))

    def test_finds_a_table_that_is_damaged(self, server: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE old (id INT AUTO_INCREMENT PRIMARY KEY, line TEXT) ENGINE=MyISAM")
            execute(tenant, *["INSERT INTO old (line) VALUES (repeat('x', 500))"] * 50)
        server.stop()
        (path,) = server.layout.data.glob("*/old.MYD")
        path.write_bytes(path.read_bytes()[:5000])
        server.start()
        with pytest.raises(subprocess.CalledProcessError):
            run(server, mysql.render_check(server.layout, server.credentials))


class TestCount:
    def test_counts_rows_and_tells_of_changes(self, server: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, *CONTENT[:8], *CONTENT[-3:], "CREATE TABLE memory (id INT) ENGINE=MEMORY")
            before = mysql.count(server.endpoint, server.credentials)
            database = server.credentials.database
            assert {name: each.number for name, each in before.items()} == {
                **{f"{database}.{name}": 1 for name in ("customer", "bill")},
                **{f"{database}.{name}": 0 for name in ("log", "old")},
                f"{database}.parts": 2,
                "other `db; -- \n\\n.a b": 3,
            }
            assert mysql.count(server.endpoint, server.credentials) == before
            execute(tenant, "UPDATE customer SET name = 'another'", "DELETE FROM parts WHERE id = 1")
            execute(tenant, "INSERT INTO parts VALUES (1)", "UPDATE `other ``db; -- \n\\n`.`a b` SET id = id + 1")
            after = mysql.count(server.endpoint, server.credentials)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {f"{database}.customer", f"{database}.parts", "other `db; -- \n\\n.a b"}

    def test_leaves_out_a_table_that_is_locked(self, server: Running) -> None:
        with closing(connect(server)) as tenant:
            execute(tenant, "CREATE TABLE a (id INT)", "CREATE TABLE b (id INT)", "LOCK TABLES a WRITE")
            assert set(mysql.count(server.endpoint, server.credentials)) == {f"{server.credentials.database}.b"}


def execute(connection: Any, *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def accounts(session: Any) -> dict[str, list[str]]:
    """What is granted to each account that is not of the server itself."""
    users = rows(session, "SELECT user, host FROM mysql.user WHERE user NOT LIKE 'mysql.%' AND user <> 'mariadb.sys'")
    return {
        f"{user}@{host}": sorted(line for (line,) in rows(session, f"SHOW GRANTS FOR `{user}`@`{host}`"))
        for user, host in users
    }


def write_pairs(server: Running, first: int, stopping: threading.Event, written: list[int]) -> None:
    number = first
    with closing(connect(server)) as tenant:
        while not stopping.is_set():
            halves = (f"INSERT INTO {each} VALUES ({number})" for each in "az")  # noqa: S608
            execute(tenant, "BEGIN", *halves, "COMMIT")
            number += 4
            written[first] += 1


def back_up(server: Running) -> bytes:
    return run(server, mysql.render_backup(server.layout, server.credentials))


def restore(server: Running, made: bytes) -> None:
    run(server, mysql.render_restore(server.layout), made)


def run(server: Running, tool: Tool | None, stdin: bytes = b"") -> bytes:
    """What a tool wrote that ran in a work directory of its own, as a job does it but for the sandbox."""
    assert tool is not None
    work = make_directory()
    try:
        return run_in(work, server, tool, stdin)
    finally:
        shutil.rmtree(work)


def run_in(work: Path, server: Running, tool: Tool, stdin: bytes) -> bytes:
    for file in tool.files:
        (work / file.path).write_text(file.content)
    for path in (work, *work.iterdir()):
        os.chown(path, server.uid, -1)
    argv = list(tool.argv)
    if os.geteuid() == 0:
        argv = ["setpriv", "--reuid", str(server.uid), "--regid", str(server.uid), "--clear-groups", *argv]
    argv = where_all_may_pass([*in_its_root(server.installation), *argv], work)
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(work)}
    if server.installation.whole is False:
        env["PATH"] = f"{server.installation.bin}:{env['PATH']}"
        env["LD_LIBRARY_PATH"] = ":".join(map(str, server.installation.libraries))
    env |= {"TMPDIR": str(work), "LANG": "C.UTF-8"}
    done = subprocess.run(argv, input=tool.stdin.encode() + stdin, cwd=work, env=env, capture_output=True, timeout=120)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, "the tool", done.stdout, done.stderr)
    return done.stdout
