"""The chain of events: appended only, in order whoever writes, and a change in it is found."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dbyard.model import Event, EventType
from dbyard.store import Connection, Store, events

Tamper = Callable[..., events.Chain]


def event(number: int = 1, **changes: object) -> Event:
    values: dict[str, object] = {
        "id": f"e{number}", "at": 1_800_000_000.125, "owner_id": "us-a", "account_id": "us-a", "username": "a",
        "email": "ä@example.org", "token_id": "t", "project_id": "pr-a", "database_id": "d", "app_name": "my-db",
        "type": EventType.NEW_ADDON, "data": {"plan_name": "p", "é": 1.5},
    }  # fmt: skip
    return Event(**(values | changes))  # type: ignore[arg-type]


def last(connection: Connection) -> events.Chain:
    return list(events.walk(connection))[-1]


@pytest.fixture
def filled(store: Store) -> Store:
    with store.tx() as connection:
        for number in range(1, 6):
            events.record(connection, event(number))
    return store


class TestRecord:
    def test_links_each_event_to_the_one_before(self, filled: Store) -> None:
        with filled.read() as connection:
            rows = connection.execute("SELECT seq, previous, hash FROM event ORDER BY seq").fetchall()
            assert last(connection) == events.Chain(5, rows[-1]["hash"])
        assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
        assert [row["previous"] for row in rows] == [bytes(32), *(row["hash"] for row in rows[:-1])]

    def test_is_undone_with_its_transaction(self, filled: Store) -> None:
        def write() -> None:
            with filled.tx() as connection:
                events.record(connection, event(6))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write()
        with filled.tx() as connection:
            events.record(connection, event(7))
            assert last(connection).count == 6

    def test_writers_in_threads_make_one_chain(self, store: Store) -> None:
        def write(first: int) -> None:
            for number in range(first, first + 25):
                with store.tx(durable=False) as connection:
                    events.record(connection, event(number))

        threads = [threading.Thread(target=write, args=(1000 * number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as connection:
            assert (last(connection).count, last(connection).fault) == (200, None)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE event SET username = 'b' WHERE seq = 2",
            "DELETE FROM event WHERE seq = 5",
            "INSERT OR REPLACE INTO event SELECT * FROM event WHERE seq = 5",
            "INSERT INTO event SELECT 9, 'e9', at, owner_id, account_id, username, email, token_id, project_id,"
            " database_id, app_name, type, data, previous, hash FROM event WHERE seq = 5",
        ],
    )
    def test_is_the_only_way_to_write(self, filled: Store, statement: str) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="event"), filled.tx() as connection:
            connection.execute(statement)


class TestList:
    def test_has_types_that_are_not_known_any_more(self, store: Store) -> None:
        with store.tx() as connection:
            events.record(connection, event(type="of_old"))
            (found,) = events.list_page(connection, events.everything(), 9, 0)
        assert found == event(type="of_old")


class TestWalk:
    """What somebody did who could write to the file."""

    @pytest.fixture
    def tamper(self, filled: Store, tmp_path: Path) -> Tamper:
        def tamper(*statements: str) -> events.Chain:
            with filled.tx() as connection:
                for name in ("appended", "never_changed", "never_removed"):
                    connection.execute(f"DROP TRIGGER event_is_{name}")
                for statement in statements:
                    connection.execute(statement)
                return last(connection)

        return tamper

    @pytest.mark.parametrize(
        "change",
        [
            "at = at + 0.001", "owner_id = 'us-b'", "account_id = NULL", "username = 'b'", "email = ''",
            "token_id = NULL", "project_id = NULL", "database_id = 'x'", "app_name = 'other'", "type = 'new_app'",
            "data = '{}'", "id = 'e0'", "hash = zeroblob(32)",
        ],
    )  # fmt: skip
    def test_finds_a_changed_event(self, tamper: Tamper, change: str) -> None:
        found = tamper(f"UPDATE event SET {change} WHERE seq = 3")  # noqa: S608
        assert found.count == 2
        assert found.fault is not None
        assert found.fault.startswith("event 3 ")

    def test_finds_a_removed_event(self, tamper: Tamper) -> None:
        found = tamper("DELETE FROM event WHERE seq = 3")
        assert (found.count, found.fault) == (2, "event 3 is missing: event 4 (e4) comes instead")

    def test_finds_a_gap_that_was_closed(self, tamper: Tamper) -> None:
        found = tamper("DELETE FROM event WHERE seq = 3", "UPDATE event SET seq = seq - 1 WHERE seq > 3")
        assert (found.count, found.fault) == (2, "event 3 (e4) does not follow the event before it")

    def test_finds_nothing_in_an_empty_table(self, store: Store) -> None:
        with store.read() as connection:
            assert list(events.walk(connection)) == []
