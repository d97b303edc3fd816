"""What an operator does by mistake to a home: nothing is made anew, nothing is lost, and what to do is said."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from dbyard import wire
from dbyard.errors import Unauthorized
from dbyard.runtimes.local import ports
from tests.e2e.platforms import Platform, claimed_ports, new_database, platform, wait_for

NAME, LATER, GONE = "kept-redis-db", "later-redis-db", "gone-redis-db"
SMALL, LARGE = "redis-starter-128", "redis-starter-256"


@pytest.fixture(scope="module")
def used() -> Iterator[tuple[Platform, wire.Connection]]:
    """A home with a database whose server runs, and no platform."""
    with platform() as made:
        connection = made.start().create(NAME, "redis")
        made.terminate()
        yield made, connection


@pytest.fixture
def home(used: tuple[Platform, wire.Connection]) -> Platform:
    return used[0]


def snapshot(home: Platform) -> dict[str, bytes]:
    files = [home.home / "admin-token", home.home / "master.key", *sorted(home.home.glob("ca/*"))]
    return {path.name: path.read_bytes() for path in files if path.exists()}


def refuse(home: Platform, why: str) -> None:
    """It is not served; that is said without a traceback."""
    (home.home.parent / "stderr.log").write_text("")
    assert home.launch().wait(60) == 1
    home.process = None
    assert why in home.log()
    assert "Traceback" not in home.log()


def run(home: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "dbyard", *arguments, "--home", str(home.home)]
    return subprocess.run(argv, env={**os.environ, **home.environment}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["state", "master.key", "ca"])
def test_a_home_that_lacks_a_file_is_refused(used: tuple[Platform, wire.Connection], name: str) -> None:
    home, connection = used
    aside = home.home.with_name("aside")
    (home.home / name).rename(aside)
    before = snapshot(home)
    refuse(home, f"no {name}")
    assert snapshot(home) == before
    assert not (home.home / name).exists()
    aside.rename(home.home / name)
    with home.start().client() as client:
        assert client.get_connection(NAME) == connection
    home.terminate()


def test_the_key_of_another_home_is_refused(used: tuple[Platform, wire.Connection]) -> None:
    home, connection = used
    path = home.home / "master.key"
    kept = path.read_bytes()
    path.write_bytes(bytes(32))
    refuse(home, "not the key that this state was sealed with")
    path.write_bytes(kept)
    with home.start().client() as client:
        assert client.get_connection(NAME) == connection
    home.terminate()


class TestAdminToken:
    @pytest.mark.parametrize("serving", [True, False])
    def test_that_is_lost_is_replaced(self, home: Platform, serving: bool) -> None:
        path = home.home / "admin-token"
        old = path.read_text()
        path.unlink()
        if serving:
            home.start()
        done = run(home, "admin-token")
        assert done.returncode == 0, done.stderr
        assert str(path) in done.stdout
        if not serving:
            home.start()
        new = path.read_text()
        assert new.strip() not in done.stdout
        with home.client() as client:
            assert [each.name for each in client.list_databases()] == [NAME]
        path.write_text(old)
        with home.client() as client, pytest.raises(Unauthorized):
            client.list_databases()
        path.write_text(new)
        home.terminate()
        assert run(home, "audit", "verify").returncode == 0

    def test_of_no_platform_is_refused(self, tmp_path: Path) -> None:
        done = run(Platform(tmp_path / "nothing"), "admin-token")
        assert done.returncode == 1
        assert "there is no platform" in done.stderr


class TestState:
    @pytest.fixture
    def state(self, home: Platform) -> Iterator[Path]:
        """The file, which is put back afterwards."""
        path = home.home / "state" / "dbyard.db"
        kept = path.read_bytes()
        yield path
        for name in ("dbyard.db-wal", "dbyard.db-shm"):
            (path.parent / name).unlink(missing_ok=True)
        path.write_bytes(kept)

    def test_of_a_newer_program_is_refused(self, home: Platform, state: Path) -> None:
        with closing(sqlite3.connect(state)) as connection:
            connection.execute("PRAGMA user_version = 9999")
        refuse(home, "written by a newer dbyard (schema 9999")

    def test_with_damaged_pages_is_refused(self, home: Platform, state: Path) -> None:
        with state.open("r+b") as file:
            for page in range(2, 20):
                file.seek(page * 4096)
                file.write(b"\xff" * 512)
        refuse(home, "put state/dbyard.db back from a backup")

    def test_that_is_no_database_is_refused(self, home: Platform, state: Path) -> None:
        state.write_bytes(b"nothing of the kind" * 1000)
        refuse(home, "put state/dbyard.db back from a backup")


def test_yesterdays_state_is_noticed(fresh: Platform) -> None:
    """The password and the plan that it tells become true, and what it does not know is stopped and kept."""
    fresh.start()
    with fresh.client() as client:
        client.create_database(wire.NewDatabase(name=NAME, technology="redis", plan=SMALL))
    old = fresh.await_usable(NAME)
    fresh.create(GONE, "redis")
    small = memory_limit(old)
    fresh.terminate()
    kept = shutil.copytree(fresh.home / "state", fresh.home.with_name("yesterday"))
    fresh.start()
    with fresh.client() as client:
        (user,) = client.list_users(NAME)
        client.reset_password(NAME, user.name)
        client.change_plan(client.get_database(NAME), LARGE)
        fresh.await_operation(NAME, lambda latest: latest.kind == "resize" and latest.status == "done")
        client.create_database(new_database(LATER, "redis"))
        client.delete_database(GONE, confirm=GONE)
    later = fresh.await_usable(LATER)
    wait_for(lambda: len(list((fresh.home / "instances").iterdir())) == 2, fresh.log, 60)
    known = {path.name for path in (fresh.home / "instances").iterdir()}
    wait_for(lambda: is_noted(fresh), fresh.log, 30)
    fresh.terminate()
    shutil.rmtree(fresh.home / "state")
    kept.rename(fresh.home / "state")
    refuse(fresh, "dbyard state rebuild")
    run(fresh, "state", "accept")
    fresh.start()
    assert fresh.await_usable(NAME) == old
    with redis.Redis.from_url(old.url) as tenant:
        assert tenant.ping()
    with fresh.client() as client:
        assert client.get_database(NAME).plan == SMALL
        assert memory_limit(old) == small
        wait_for(lambda: "missing" in str(client.get_details(GONE).error), fresh.log, 60)
        assert client.get_details(GONE).status == "stopped"
    wait_for(lambda: not is_open(later.port), fresh.log, 60)
    assert {path.name for path in (fresh.home / "instances").iterdir()} == known
    assert "knows nothing of instance" in fresh.log()
    with fresh.client() as client:
        assert client.get_health().unknown_instances == 1


def test_a_copy_of_a_home_is_refused(used: tuple[Platform, wire.Connection]) -> None:
    """Its servers would be adopted, and killed, by two platforms."""
    home, connection = used
    copy = Platform(home.home.with_name("copy"), home.environment)
    shutil.copytree(home.home, copy.home, symlinks=True)
    assert copy.launch().wait(60) == 1
    assert "is a copy of" in copy.log()
    assert run(copy, "stop").returncode == 1
    shutil.rmtree(copy.home)
    with redis.Redis.from_url(connection.url) as tenant:
        assert tenant.ping()


def test_a_home_that_was_moved_keeps_its_ports(fresh: Platform) -> None:
    connection = fresh.start().create(NAME, "redis")
    fresh.stop()
    before = set(claimed_ports(fresh.home))
    assert before
    old, fresh.home = fresh.home, fresh.home.with_name("moved")
    old.rename(fresh.home)
    with fresh.start().client() as client:
        fresh.await_usable(NAME)
        assert client.get_connection(NAME) == connection
    assert set(claimed_ports(fresh.home)) == before
    assert str(old) not in {str(home) for home in ports.claiming_homes()}


def memory_limit(connection: wire.Connection) -> int:
    """What the server is held to, by its own account."""
    with redis.Redis.from_url(connection.url) as tenant:
        return int(tenant.info("memory")["maxmemory"])


def is_noted(home: Platform) -> bool:
    """Whether the home has seen the last event."""
    path = home.home / "state-mark"
    with closing(sqlite3.connect(f"file:{home.home}/state/dbyard.db?mode=ro", uri=True)) as connection:
        (seq,) = connection.execute("SELECT max(seq) FROM event").fetchone()
    return path.exists() and f'"seq": {seq},' in path.read_text()


def is_open(port: int) -> bool:
    return not ports.is_free("127.0.0.1", port)
