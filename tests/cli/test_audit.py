"""`dbyard audit verify` on the state file of a home, with the platform at work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbyard.__main__ import main
from dbyard.model import EventType
from dbyard.store import Store, events


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Of a running platform in the home `tmp_path`, with three events."""
    (tmp_path / "state").mkdir()
    store = Store(tmp_path / "state" / "dbyard.db")
    for number in range(3):
        add(store, number)
    yield store
    store.close()


def add(store: Store, number: int) -> None:
    with store.tx() as connection:
        events.record(connection, None, EventType.TOKEN_CREATED, float(number), data={"n": number})


def head(store: Store, seq: int) -> str:
    with store.read() as connection:
        return str(connection.execute("SELECT lower(hex(hash)) FROM event WHERE seq = ?", (seq,)).fetchone()[0])


def verify(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["audit", "verify", "--home", str(home), *arguments], prog_name="dbyard")


def test_prints_how_many_and_the_head(store: Store, tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert (result.exit_code, result.stdout) == (0, f"events  3\nhead    {head(store, 3)}\n")


def test_a_noted_head_is_found_later(store: Store, tmp_path: Path) -> None:
    noted = head(store, 3)
    add(store, 3)
    result = verify(tmp_path, "--head", noted)
    assert (result.exit_code, result.stdout) == (0, f"events  4\nhead    {head(store, 4)}\n")


def test_a_changed_event_is_named(store: Store, tmp_path: Path) -> None:
    with store.tx() as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET username = 'somebody' WHERE seq = 2")
    result = verify(tmp_path)
    assert result.exit_code == 1
    assert "the chain is broken after 1 events: event 2 " in result.stderr


def test_a_cut_tail_is_found_by_a_noted_head_alone(store: Store, tmp_path: Path) -> None:
    noted = head(store, 3)
    with store.tx() as connection:
        connection.execute("DROP TRIGGER event_is_never_removed")
        connection.execute("DELETE FROM event WHERE seq = 3")
    assert verify(tmp_path).exit_code == 0
    result = verify(tmp_path, "--head", noted)
    assert result.exit_code == 1
    assert "there are 2" in result.stderr


def test_a_head_that_is_none_is_wrong_usage(store: Store, tmp_path: Path) -> None:
    assert verify(tmp_path, "--head", "9f2b").exit_code == 2


def test_a_home_without_state_says_so(tmp_path: Path) -> None:
    result = verify(tmp_path / "nowhere")
    assert result.exit_code == 1
    assert "there is no platform in" in result.stderr
