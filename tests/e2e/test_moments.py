"""The data of a moment, of real servers: restored in place and elsewhere, across outages, damage and kills."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import datetime, timedelta

import psycopg
import pytest

from dbyard.errors import Invalid, Unreachable
from dbyard.model import OperationKind
from dbyard.wire.moments import RecoveryWindow
from tests.e2e import tenants
from tests.e2e.killer import JOURNAL_INSTANTS
from tests.e2e.platforms import Platform, wait_for
from tests.e2e.test_backups import KILLER, NAME, await_restoration, back_up, read

COPY = "a-copy-of-it"


def write(url: str, numbers: range) -> datetime:
    """The server's time when all of it is committed."""
    with closing(tenants.connect("postgresql", url)) as tenant:
        tenant.write_many(numbers)
    with psycopg.connect(url) as session:
        (now,) = session.execute("SELECT clock_timestamp()").fetchone() or ()
    assert isinstance(now, datetime)
    return now


def drop(url: str) -> None:
    with psycopg.connect(url) as session:
        session.execute("DROP TABLE written")


def window(home: Platform) -> RecoveryWindow:
    with home.client() as client:
        return client.get_recovery_window(NAME)


def has(home: Platform, moment: datetime) -> bool:
    found = window(home).intervals
    return any(each.earliest_recoverable_at <= moment <= each.latest_recoverable_at for each in found)


def await_archived(home: Platform, moment: datetime) -> None:
    def is_there() -> bool:
        latest = window(home).latest_recoverable_at
        return latest is not None and latest > moment

    wait_for(is_there, lambda: f"{window(home)}\n{home.log()}", 90)


def restore(home: Platform, moment: datetime) -> None:
    with home.client() as client:
        asked = client.restore_moment(NAME, moment.isoformat())
    await_restoration(home, asked.id)


class TestMoment:
    @pytest.mark.parametrize("version", ["17", "15"])
    def test_before_a_table_was_dropped(self, fresh: Platform, version: str) -> None:
        connection = fresh.start().create(NAME, "postgresql", version)
        too_early = write(connection.url, range(100))
        with fresh.client() as client, pytest.raises(Invalid, match="there is no backup yet that a journal continues"):
            client.restore_moment(NAME, too_early.isoformat())
        assert window(fresh).intervals == []
        back_up(fresh)
        before = write(connection.url, range(100, 200))
        drop(connection.url)
        restore(fresh, before)
        assert fresh.await_usable(NAME) == connection
        assert read("postgresql", connection.url) == set(range(200))
        with fresh.client() as client:
            (known,) = window(fresh).intervals
            assert known.earliest_recoverable_at < before < known.latest_recoverable_at
            for wrong in (too_early, before + timedelta(days=1)):
                with pytest.raises(Invalid, match=r"is a moment that cannot be restored: those from .* to .* can"):
                    client.restore_moment(NAME, wrong.isoformat())
            client.fork_moment(NAME, before.isoformat(), COPY)
            assert read("postgresql", fresh.await_usable(COPY).url) == set(range(200))
            client.undo_restore(NAME)
        assert fresh.await_usable(NAME) == connection
        with psycopg.connect(connection.url) as session:
            assert session.execute("SELECT to_regclass('written')").fetchone() == (None,)
        last = write(connection.url, range(300, 400))  # its journal goes on
        restore(fresh, last)
        fresh.await_usable(NAME)
        assert read("postgresql", connection.url) == set(range(300, 400))

    def test_of_an_archive_that_was_away_meanwhile_and_then_damaged(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        made = back_up(fresh)
        await_archived(fresh, write(connection.url, range(100)))
        root = fresh.home / "archive"
        root.rename(root.with_name("elsewhere"))
        root.mkdir()
        meanwhile = write(connection.url, range(100, 200))
        wait_for(lambda: window(fresh).trouble, fresh.log, 60)
        with fresh.client() as client, pytest.raises(Invalid):
            client.restore_moment(NAME, meanwhile.isoformat())
        root.rmdir()
        root.with_name("elsewhere").rename(root)
        await_archived(fresh, meanwhile)
        assert len(window(fresh).intervals) == 1
        assert window(fresh).trouble is None
        drop(connection.url)
        restore(fresh, meanwhile)
        fresh.await_usable(NAME)
        assert read("postgresql", connection.url) == set(range(200))

        pieces = sorted((root / made.database_id / "journal").glob("*/*/*"))  # those of the first server first
        stored = pieces[1].read_bytes()
        pieces[1].write_bytes(stored[:60] + bytes([stored[60] ^ 1]) + stored[61:])
        assert pieces[1].name in refused(fresh, meanwhile)
        pieces[1].unlink()
        assert "the archive lacks the journal from the position" in refused(fresh, meanwhile)
        assert read("postgresql", connection.url) == set(range(200))
        fresh.kill()
        fresh.start()  # what is kept is looked at
        wait_for(lambda: not has(fresh, meanwhile), lambda: f"{window(fresh)}\n{fresh.log()}", 60)
        with fresh.client() as client:
            told = client.list_events(NAME, page=1, per_page=50).events
        assert "backup.journal_lost" in [each.type for each in told]

    @pytest.mark.parametrize("step", ["restore fetch_journal", "restore replay_journal", "create replay_journal"])
    def test_outlives_kills_of_the_platform(self, fresh: Platform, step: str) -> None:
        connection = fresh.start(program=KILLER, KILL_AT=f"{step} effect").create(NAME, "postgresql")
        back_up(fresh)
        before = write(connection.url, range(100))
        drop(connection.url)
        with fresh.client() as client, suppress(Unreachable):  # it may die before it answers
            if step.startswith("create"):
                client.fork_moment(NAME, before.isoformat(), COPY)
            else:
                client.restore_moment(NAME, before.isoformat())
        assert fresh.process is not None
        assert fresh.process.wait(60) == -9
        with fresh.start().client() as client:
            asked = [each for each in client.list_operations(NAME) if each.kind == OperationKind.RESTORE]
        for each in asked:
            await_restoration(fresh, each.id)
        copy = fresh.await_usable(NAME if asked else COPY)
        assert read("postgresql", copy.url) == set(range(100))

    def test_outlives_kills_while_the_journal_is_archived(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        back_up(fresh)
        moments = []
        for number, instant in enumerate(JOURNAL_INSTANTS):
            await_archived(fresh, write(connection.url, range(number * 100, number * 100 + 50)))
            fresh.kill()
            process = fresh.start(program=KILLER, KILL_AT=instant).process
            assert process is not None
            moments.append(write(connection.url, range(number * 100 + 50, number * 100 + 100)))
            assert process.wait(60) == -9
            fresh.start()
            await_archived(fresh, moments[-1])
        drop(connection.url)
        assert len(window(fresh).intervals) == 1
        restore(fresh, moments[0])
        fresh.await_usable(NAME)
        assert read("postgresql", connection.url) == set(range(100))
        restore(fresh, moments[1])
        fresh.await_usable(NAME)
        assert read("postgresql", connection.url) == set(range(200))


def refused(home: Platform, moment: datetime) -> str:
    """Why a restore to the moment has failed; nothing of it is left."""
    with home.client() as client:
        asked = client.restore_moment(NAME, moment.isoformat())
        wait_for(lambda: client.get_restoration(NAME, asked.id).ended_at, home.log, 90)
        found = client.get_restoration(NAME, asked.id)
    assert found.status == "error"
    return found.error or ""
