"""The chain of events: appended only, in order whoever writes, and a change in it is found."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dbyard.model import Account, Event, EventType, Principal
from dbyard.store import Connection, Store, events, old_events

Tamper = Callable[..., events.Chain]


def event(number: int = 1, **changes: object) -> Event:
    values: dict[str, object] = {
        "id": f"e{number}", "at": 1_800_000_000.125, "owner_id": "us-a", "account_id": "us-a", "username": "a",
        "email": "ä@example.org", "token_id": "t", "project_id": "pr-a", "database_id": "d", "database_name": "my-db",
        "type": EventType.DATABASE_CREATED, "data": {"plan": "p", "é": 1.5},
    }  # fmt: skip
    return Event(**(values | changes))  # type: ignore[arg-type]


def last(connection: Connection) -> events.Chain:
    return list(events.walk(connection))[-1]


@pytest.fixture
def filled(store: Store) -> Store:
    with store.tx() as connection:
        for number in range(1, 6):
            events.append(connection, event(number))
    return store


class TestAppend:
    def test_links_each_event_to_the_one_before(self, filled: Store) -> None:
        with filled.read() as connection:
            rows = connection.execute("SELECT seq, previous, hash FROM event ORDER BY seq").fetchall()
            assert last(connection) == events.Chain(5, rows[-1]["hash"])
        assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
        assert [row["previous"] for row in rows] == [bytes(32), *(row["hash"] for row in rows[:-1])]

    def test_is_undone_with_its_transaction(self, filled: Store) -> None:
        def write() -> None:
            with filled.tx() as connection:
                events.append(connection, event(6))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            write()
        with filled.tx() as connection:
            events.append(connection, event(7))
            assert last(connection).count == 6

    def test_writers_in_threads_make_one_chain(self, store: Store) -> None:
        def write(first: int) -> None:
            for number in range(first, first + 25):
                with store.tx(durable=False) as connection:
                    events.append(connection, event(number))

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


class TestRecord:
    """What every use case calls."""

    def test_names_the_owner_of_what_it_concerns(self, store: Store) -> None:
        account = Account("us-b", "b", "b@example.org", admin=False)
        with store.tx() as connection:
            events.record(connection, Principal(account, "t"), EventType.TOKEN_CREATED, 1.0, data={"n": 1})
            events.record(connection, None, EventType.ACCOUNT_ENABLED, 2.0, owner_id="us-a")
            second, first = events.list_page(connection, events.everything(), 9, 0)
        assert (first.owner_id, first.account_id, first.username, first.token_id) == ("us-b", "us-b", "b", "t")
        assert (second.owner_id, second.account_id, second.username, second.token_id) == ("us-a", None, "dbyard", None)


class TestOldEvents:
    """Rows of older versions are never rewritten: they read as if they were stored today, and their chain holds."""

    @pytest.mark.parametrize(
        ("kind", "data", "expected"),
        [
            (
                "upgrade_addon",
                {"addon_id": "ad-d", "addon_provider_name": "redis", "plan_name": "p2", "resource_id": "d"}
                | {"old_plan_name": "p1"},
                (EventType.DATABASE_RESIZED, {"technology": "redis", "plan": "p2", "old_plan": "p1"}),
            ),
            ("rename_app", {"old_name": "a", "new_name": "b"}, (EventType.DATABASE_RENAMED, None)),
            ("database/operation_failed", {"operation": "heal"}, (EventType.OPERATION_FAILED, None)),
            ("new_user", {"id": "us-b", "admin": False}, (EventType.ACCOUNT_CREATED, None)),
            ("of_old", {"plan_name": "p"}, ("of_old", None)),
        ],
    )
    def test_are_read_in_the_words_of_today(
        self, store: Store, kind: str, data: dict[str, object], expected: tuple[str, dict[str, object] | None]
    ) -> None:
        with store.tx() as connection:
            events.append(connection, event(type=kind, data=data))
            (found,) = events.list_page(connection, events.everything(), 9, 0)
            assert last(connection).fault is None
        assert (found.type, found.data) == (expected[0], data if expected[1] is None else expected[1])

    def test_every_old_name_is_a_type_of_today(self) -> None:
        assert set(old_events._TYPES.values()) <= set(EventType)


class TestList:
    def test_has_types_that_are_not_known_any_more(self, store: Store) -> None:
        with store.tx() as connection:
            events.append(connection, event(type="of_old"))
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
