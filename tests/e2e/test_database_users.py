"""Users of a database beside its own: made, proved and removed while its server is killed, restored and copied."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from dbyard.errors import Unreachable
from dbyard.wire.database_users import NewDatabaseUser, PasswordAnswer
from tests.e2e import tenants
from tests.e2e.killer import MOMENTS
from tests.e2e.platforms import Platform, platform, wait_for

NAME, COPY = "shared-db", "copied-db"
KILLER = ("-m", "tests.e2e.killer", "serve")


@pytest.fixture
def fresh() -> Iterator[Platform]:
    with platform() as made:
        yield made


def make(home: Platform, name: str, *, read_only: bool = False) -> PasswordAnswer:
    """A user that its server was seen to let in."""
    with home.client() as client:
        made = client.create_user(NAME, NewDatabaseUser(name, read_only))
    assert (made.name, made.read_only, made.protected, made.error) == (name, read_only, False, None)
    assert made.current_operation_id is None, home.log()
    return made


def list_names(home: Platform, database: str = NAME) -> list[str]:
    with home.client() as client:
        return [each.name for each in client.list_users(database) if not each.protected]


def let_in(technology: str, made: PasswordAnswer) -> bool:
    assert made.url is not None
    return tenants.answers(technology, made.url)


def test_outlive_the_data_that_they_were_made_in(fresh: Platform) -> None:
    """A restore brings no user back, and takes none away; a copy has them with passwords of their own."""
    connection = fresh.start().create(NAME, "postgresql")
    with closing(tenants.connect("postgresql", connection.url)) as tenant:
        tenant.write_many(range(10))
    stays, goes = make(fresh, "stays_01"), make(fresh, "leaves_01")
    with fresh.client() as client:
        backup = client.create_backup(NAME).id
        wait_for(lambda: client.get_backup(NAME, backup).verification.state == "verified", fresh.log, 120)
        client.remove_user(NAME, goes.name)
        comes = make(fresh, "comes_01", read_only=True)
        assert (let_in("postgresql", goes), let_in("postgresql", comes)) == (False, True)
        client.restore_backup(NAME, backup)
        switched = fresh.await_operation(NAME, lambda each: each.kind == "switch" and each.finished_at)
        assert switched.status == "done", fresh.log()
        wait_for(lambda: let_in("postgresql", stays), fresh.log, 60)
        assert [let_in("postgresql", each) for each in (stays, goes, comes)] == [True, False, True]
        client.fork_backup(NAME, backup, COPY)
        fresh.await_usable(COPY)
        assert list_names(fresh, COPY) == [comes.name, stays.name]
        renewed = client.reset_password(COPY, stays.name)
    assert renewed.password != stays.password
    assert let_in("postgresql", renewed)


@pytest.mark.parametrize("technology", ["redis", "influxdb"])
def test_outlive_their_server(fresh: Platform, technology: str) -> None:
    connection = fresh.start().create(NAME, technology)
    stays, goes = make(fresh, "stays_01"), make(fresh, "leaves_01", read_only=True)
    with fresh.client() as client:
        client.remove_user(NAME, goes.name)
    os.kill(fresh.server(connection.port).pid, signal.SIGKILL)
    wait_for(lambda: let_in(technology, stays), fresh.log, 60)
    assert not let_in(technology, goes)
    assert list_names(fresh) == [stays.name]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_of_the_platform_meanwhile(fresh: Platform, moment: str) -> None:
    connection = fresh.start(program=KILLER, KILL_AT=f"configure apply {moment}").create(NAME, "redis")
    with fresh.client() as client, suppress(Unreachable):  # it may die before it answers
        client.create_user(NAME, NewDatabaseUser("writer_01"))
    assert fresh.process is not None
    assert fresh.process.wait(60) == -9
    with fresh.start().client() as client:
        wait_for(lambda: all(each.finished_at for each in client.list_operations(NAME)), fresh.log, 60)
        renewed = client.reset_password(NAME, "writer_01")
        assert (renewed.error, let_in("redis", renewed)) == (None, True)
        client.remove_user(NAME, "writer_01")
    assert not let_in("redis", renewed)
    assert tenants.answers("redis", connection.url)
