"""The store as a store: transactions, the cache, migrations, and what its constraints forbid."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard import store as store_module
from dbyard.errors import ConfigError, Unavailable
from dbyard.model import Access, Account, Database, OperationKind, Principal, Project, Scope
from dbyard.store import (
    Connection,
    Store,
    accounts,
    collaborators,
    databases,
    idempotency,
    operations,
    projects,
    tokens,
)

DATABASE = Database("d1", "my-postgres-db", "pr-a", "postgresql", "17", "postgresql-starter-512", 1.0, None)


def account(name: str) -> Account:
    return Account(f"us-{name}", name, f"{name}@example.org", admin=False)


def fill(connection: Connection) -> None:
    for name in ("a", "b"):
        accounts.insert_account(connection, account(name), 1.0)
        projects.insert(connection, Project(f"pr-{name}", f"us-{name}", "default", True, 1.0, 1.0))
    databases.insert(connection, DATABASE)


A, B = (Principal(account(name), "") for name in ("a", "b"))


@pytest.fixture
def filled(store: Store) -> Store:
    with store.tx() as connection:
        fill(connection)
    return store


class TestTransaction:
    def test_is_all_or_nothing(self, store: Store) -> None:
        def write() -> None:
            with store.tx() as connection:
                fill(connection)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write()
        with store.read() as connection:
            assert accounts.find_account(connection, "a") is None

    def test_readers_see_nothing_of_it_before_its_end(self, store: Store) -> None:
        with store.tx() as writing:
            fill(writing)
            with store.read() as reading:
                assert accounts.find_account(reading, "a") is None
        with store.read() as reading:
            assert accounts.find_account(reading, "a") is not None

    def test_a_snapshot_sees_nothing_of_what_comes_after_its_first_query(self, filled: Store) -> None:
        with filled.snapshot() as reading:
            assert databases.find(reading, A, "d1") == DATABASE
            with filled.tx() as connection:
                databases.delete(connection, "d1", 2.0)
            assert databases.find(reading, A, "d1") == DATABASE
        with filled.read() as reading:
            assert databases.find(reading, A, "d1") is None
            assert not reading.in_transaction

    def test_a_reader_cannot_write(self, store: Store) -> None:
        with store.read() as connection, pytest.raises(sqlite3.OperationalError):
            fill(connection)

    def test_is_synced_unless_it_need_not_outlive_a_power_cut(self, store: Store) -> None:
        for durable, level in ((False, 1), (True, 2)):  # NORMAL, FULL
            with store.tx(durable=durable) as connection:
                assert connection.execute("PRAGMA synchronous").fetchone()[0] == level

    def test_a_disk_that_refuses_is_unavailable(self, store: Store) -> None:
        with store.tx() as connection:
            connection.execute("PRAGMA query_only = ON")
        with pytest.raises(Unavailable), store.tx() as connection:
            fill(connection)

    def test_writers_in_threads_take_turns(self, store: Store) -> None:
        with store.tx() as connection:
            connection.execute("CREATE TABLE number (value INTEGER)")
            connection.execute("INSERT INTO number VALUES (0)")

        def add() -> None:
            for _ in range(10):
                with store.tx() as connection:
                    (value,) = connection.execute("SELECT value FROM number").fetchone()
                    connection.execute("UPDATE number SET value = ?", (value + 1,))

        threads = [threading.Thread(target=add) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as connection:
            assert connection.execute("SELECT value FROM number").fetchone()[0] == 80


class TestCached:
    def test_is_loaded_once_and_again_after_a_commit(self, filled: Store) -> None:
        loads = []

        def load(connection: Connection) -> int:
            loads.append(1)
            return len(databases.list_visible(connection, A))

        assert [filled.cached("k", load) for _ in range(3)] == [1, 1, 1]
        assert len(loads) == 1
        with filled.tx() as connection:
            databases.delete(connection, "d1", 2.0)
        assert [filled.cached("k", load) for _ in range(3)] == [0, 0, 0]
        assert len(loads) == 2

    def test_what_a_commit_overtook_is_not_kept(self, filled: Store) -> None:
        def load(connection: Connection) -> int:
            found = len(databases.list_visible(connection, A))
            with filled.tx() as writing:
                databases.delete(writing, "d1", 2.0)
            return found

        assert filled.cached("k", load) == 1
        assert filled.cached("k", lambda connection: len(databases.list_visible(connection, A))) == 0

    def test_an_error_is_not_kept(self, filled: Store) -> None:
        with pytest.raises(ZeroDivisionError):
            filled.cached("k", lambda _: 1 // 0)
        assert filled.cached("k", lambda _: 5) == 5


class TestOpen:
    def test_again_keeps_everything(self, filled: Store, tmp_path: Path) -> None:
        again = Store(tmp_path / "state.db")
        with again.read() as connection:
            assert databases.get(connection, "d1") == DATABASE
        again.close()

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "broken.db").write_text("hello " * 1000)
        with pytest.raises(ConfigError, match=r"broken\.db"):
            Store(tmp_path / "broken.db")


class TestDatabases:
    def test_are_found_by_id_then_name_by_their_account(self, filled: Store) -> None:
        with filled.tx() as connection:
            databases.insert(connection, replace(DATABASE, id="d2", name="d1"))
            assert databases.find(connection, A, "d1") == DATABASE
            assert databases.find(connection, A, "my-postgres-db") == DATABASE
            assert databases.find(connection, B, "d1") is None
            assert [each.id for each in databases.list_visible(connection, A)] == ["d1", "d2"]
            assert databases.list_visible(connection, B) == []

    def test_are_seen_by_who_works_in_their_project(self, filled: Store) -> None:
        with filled.tx() as connection:
            shared = collaborators.of_project("pr-a")
            assert collaborators.add(connection, shared, "us-b", False, 1.0)
            assert databases.find(connection, B, "d1") == DATABASE
            assert databases.list_visible(connection, B) == [DATABASE]
            assert projects.owner_of(connection, "pr-a") == "us-a"
            assert collaborators.remove(connection, shared, "us-b")
            assert databases.find(connection, B, "d1") is None
            assert databases.list_visible(connection, B) == []

    def test_are_seen_by_whom_one_is_shared_with_and_no_other(self, filled: Store) -> None:
        with filled.tx() as connection:
            databases.insert(connection, replace(DATABASE, id="d2", name="another-db"))
            assert collaborators.add(connection, collaborators.of_database("d1"), "us-b", True, 1.0)
            assert databases.list_visible(connection, B) == [DATABASE]
            assert databases.find(connection, B, "d2") is None
            assert databases.find(connection, B, "another-db") is None

    @pytest.mark.parametrize(
        ("of_database", "of_project", "expected"),
        [
            (None, None, None),
            (True, None, Access.USE),
            (False, None, Access.CHANGE),
            (None, True, Access.USE),
            (None, False, Access.CHANGE),
            (True, False, Access.CHANGE),
            (False, True, Access.CHANGE),
            (True, True, Access.USE),
        ],
    )
    def test_access_is_the_most_that_was_given(
        self, filled: Store, of_database: bool | None, of_project: bool | None, expected: Access | None
    ) -> None:
        with filled.tx() as connection:
            for shared, limited in (
                (collaborators.of_database("d1"), of_database),
                (collaborators.of_project("pr-a"), of_project),
            ):
                if limited is not None:
                    collaborators.add(connection, shared, "us-b", limited, 1.0)
            assert collaborators.access_of(connection, "us-b", DATABASE) is expected
            assert collaborators.access_of(connection, "us-a", DATABASE) is Access.OWN

    def test_the_schema_forbids_a_second_one_of_a_name(self, filled: Store) -> None:
        with pytest.raises(sqlite3.IntegrityError), filled.tx() as connection:
            databases.insert(connection, replace(DATABASE, id="d2", project_id="pr-b"))

    def test_a_deleted_one_leaves_its_name(self, filled: Store) -> None:
        with filled.tx() as connection:
            databases.delete(connection, "d1", 2.0)
            databases.insert(connection, replace(DATABASE, id="d2"))
            assert databases.find(connection, A, "d1") is None
            assert databases.find(connection, A, "my-postgres-db") == replace(DATABASE, id="d2")
            assert databases.count(connection) == {("postgresql", "postgresql-starter-512"): 1}

    def test_the_schema_forbids_a_second_active_operation(self, filled: Store) -> None:
        with filled.tx() as connection:
            operations.insert(connection, "d1", OperationKind.CREATE, 1.0)
        with pytest.raises(sqlite3.IntegrityError), filled.tx() as connection:
            operations.insert(connection, "d1", OperationKind.HEAL, 1.0)

    @pytest.mark.parametrize(
        "query",
        [
            "SELECT 1 FROM database WHERE name = 'x' AND deleted_at IS NULL",
            "SELECT 1 FROM token t JOIN account a ON a.id = t.account_id WHERE t.digest = x'00'",
            "DELETE FROM idempotency WHERE database_id = 'x'",
        ],
    )
    def test_no_question_of_a_request_reads_a_whole_table(self, store: Store, query: str) -> None:
        with store.tx() as connection:
            assert scans(connection, [query]) == []

    def test_claiming_reads_only_the_operations_that_are_active(self, filled: Store) -> None:
        """However many have ended: those of creates are kept as long as their databases."""
        asked: list[str] = []
        with filled.tx() as connection:
            operations.insert(connection, "d1", OperationKind.CREATE, 1.0)
            connection.set_trace_callback(asked.append)
            operations.next_due(connection, 4)
            assert operations.claim(connection, 2.0, 4)
            connection.set_trace_callback(None)
            assert [each for each in scans(connection, asked) if "INDEX operation_due" not in each] == []

    def test_finding_and_listing_what_is_visible_reads_no_whole_table(self, filled: Store) -> None:
        asked: list[str] = []
        with filled.tx() as connection:
            connection.set_trace_callback(asked.append)
            databases.find(connection, A, "my-postgres-db")
            databases.list_visible(connection, A)
            connection.set_trace_callback(None)
            assert len(asked) == 3
            assert scans(connection, asked) == []


def scans(connection: Connection, queries: list[str]) -> list[str]:
    """The tables and indexes that the queries read from end to end."""
    steps = [step for query in queries for step in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    return [step["detail"] for step in steps if step["detail"].startswith("SCAN")]


class TestIdempotency:
    def test_a_key_has_the_database_as_it_was_created(self, filled: Store) -> None:
        with filled.tx() as connection:
            idempotency.put(connection, "us-a", "k1", b"digest", DATABASE, 100.0)
            databases.rename(connection, "d1", "renamed-db", 101.0)
            databases.set_plan(connection, "d1", "postgresql-starter-1024", 102.0)
            assert idempotency.get(connection, "us-a", "k1", 100.0) == (b"digest", DATABASE)

    def test_keys_go_with_their_database_or_their_age(self, filled: Store) -> None:
        with filled.tx() as connection:
            idempotency.put(connection, "us-a", "k1", b"digest", DATABASE, 100.0)
            assert idempotency.get(connection, "us-a", "k1", 100.1) is None
            assert idempotency.get(connection, "us-b", "k1", 0.0) is None
            idempotency.delete_before(connection, 100.0)
            assert idempotency.get(connection, "us-a", "k1", 0.0) is not None
            idempotency.delete_for(connection, "d1")
            assert idempotency.get(connection, "us-a", "k1", 0.0) is None

    def test_reads_the_whole_answers_that_older_versions_kept(self, filled: Store) -> None:
        body = (
            b'{"database":{"id":"d1","name":"my-first-db","project_id":"pr-b","technology":"postgresql",'
            b'"plan":"postgresql-starter-256","app":{"id":"d1","name":"my-first-db"}}}'
        )
        with filled.tx() as connection:
            connection.execute(
                "INSERT INTO idempotency (account_id, key, digest, database_id, body, created_at)"
                " VALUES ('us-a', 'k1', x'00', 'd1', ?, 100.0)",
                (body,),
            )
            found = idempotency.get(connection, "us-a", "k1", 100.0)
        then = replace(DATABASE, name="my-first-db", project_id="pr-b", plan="postgresql-starter-256")
        assert found == (b"\0", then)


class TestAccessOfOlderVersions:
    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        """A state file from before access to single databases: a collaborator of a project, and a token."""
        path = tmp_path / "old.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for number, script in store_module._migrations():
                if number < 10:
                    connection.executescript(f"{script}\nPRAGMA user_version = {number};")
            for account in ("a", "b"):
                row = (f"us-{account}", account, f"{account}@x")
                connection.execute("INSERT INTO account (id, username, email, created_at) VALUES (?, ?, ?, 1)", row)
                owned = (f"pr-{account}", f"us-{account}")
                connection.execute(
                    "INSERT INTO project (id, account_id, name, is_default, created_at) VALUES (?, ?, 'default', 1, 1)",
                    owned,
                )
            connection.execute("INSERT INTO collaborator VALUES ('pr-a', 'us-b', 1)")
            connection.execute(
                "INSERT INTO token (id, account_id, name, digest, created_at, scope, issued_at)"
                " VALUES ('t', 'us-b', 'ci', x'00', 1, 'read', 2)"
            )
        return path

    def test_collaborators_keep_what_they_had(self, old: Path) -> None:
        store = Store(old)
        with store.tx() as connection:
            databases.insert(connection, DATABASE)
            assert databases.list_visible(connection, B) == [DATABASE]
            assert collaborators.access_of(connection, "us-b", DATABASE) is Access.CHANGE
            ((account, limited),) = collaborators.list_all(connection, collaborators.of_project("pr-a"))
            assert (account.id, limited) == ("us-b", False)
            assert collaborators.list_all(connection, collaborators.of_database("d1")) == []
        store.close()

    def test_a_token_that_reads_reads_no_credentials(self, old: Path) -> None:
        store = Store(old)
        with store.read() as connection:
            (token,) = tokens.list_all(connection, "us-b")
        assert (token.id, token.issued_at, token.scope) == ("t", 2, Scope.READ)
        assert not token.scope.covers(Scope.READ_CREDENTIALS)
        store.close()
