"""The platform's own state: backed up while it serves, lost, and put back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dbyard import wire
from dbyard.operations import manifests
from dbyard.secrets import load_or_make_key
from dbyard.store import database_rows, open_readonly
from tests.e2e.platforms import Platform, platform, wait_for

NAME, RENAMED, LATER = "kept-redis-db", "renamed-redis-db", "later-redis-db"
PASSPHRASE = "a passphrase of the test"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Platform, wire.Connection]]:
    """A platform that serves a database, and is started and ended by the tests."""
    with platform() as made:
        yield made, made.start().create(NAME, "redis")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    return path


def run(home: Platform, *arguments: str | Path, environment: dict[str, str] | None = None) -> str:
    """A command of the home's machine, which must succeed."""
    argv = [sys.executable, "-m", "dbyard", *map(str, arguments), "--home", str(home.home)]
    env = {**os.environ, **home.environment, **(environment or {})}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(connection: wire.Connection) -> bool:
    with redis.Redis.from_url(connection.url) as tenant:
        return bool(tenant.ping())


def test_a_lost_state_is_restored_from_its_backup(
    served: tuple[Platform, wire.Connection], secret: Path, tmp_path: Path
) -> None:
    home, connection = served
    kept = tmp_path / "state.backup"
    run(home, "state", "backup", kept, "--passphrase-file", secret)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert PASSPHRASE.encode() not in kept.read_bytes()
    server = home.server(connection.port)
    home.kill()
    shutil.rmtree(home.home / "state")
    run(home, "state", "restore", kept, "--passphrase-file", secret)
    home.start()
    assert home.await_usable(NAME) == connection
    assert home.server(connection.port) == server
    assert answers(connection)


def test_a_lost_state_is_rebuilt_from_what_lies_beside_the_servers(served: tuple[Platform, wire.Connection]) -> None:
    """Also where there is no backup of it; and the servers run on."""
    home, connection = served
    with home.client() as client:
        before = client.list_databases(), client.list_projects()
        made = client.create_backup(NAME)
        wait_for(lambda: client.get_backup(NAME, made.id).verification.state == "verified", home.log, 120)
        client.rename_database(client.get_database(NAME), RENAMED)
        (user,) = client.list_users(RENAMED)
        client.reset_password(RENAMED, user.name)
    now = home.await_usable(RENAMED)
    await_manifests(home)
    server = home.server(connection.port)
    home.kill()
    shutil.rmtree(home.home / "state")
    token = (home.home / "admin-token").read_text()
    assert f"{RENAMED} is known again" in run(home, "state", "rebuild")
    home.start()
    assert (home.home / "admin-token").read_text() != token
    assert home.await_usable(RENAMED) == now
    assert home.server(connection.port) == server
    with home.client() as client:
        assert [each.id for each in client.list_databases()] == [each.id for each in before[0]]
        assert [each.id for each in client.list_projects()] == [each.id for each in before[1]]
        assert [each.id for each in client.list_backups(RENAMED)] == [made.id]
        client.rename_database(client.get_database(RENAMED), NAME)
    assert run(home, "audit", "verify")


def test_a_state_that_is_too_old_is_refused_and_rebuilt(
    served: tuple[Platform, wire.Connection], secret: Path, tmp_path: Path
) -> None:
    """What it has beside databases stays: tokens and events."""
    home, connection = served
    kept = tmp_path / "yesterday"
    run(home, "state", "backup", kept, "--passphrase-file", secret)
    later = home.create(LATER, "redis")
    await_manifests(home)
    servers = [home.server(each.port) for each in (connection, later)]
    home.terminate()
    run(home, "state", "restore", kept, "--passphrase-file", secret)
    assert home.launch().wait(60) == 1
    assert "dbyard state rebuild" in home.log()
    run(home, "state", "rebuild")
    home.start()
    assert home.await_usable(LATER) == later
    assert [home.server(each.port) for each in (connection, later)] == servers
    with home.client() as client:
        client.delete_database(LATER, confirm=LATER)


DYING = """
import os, pathlib, signal
rename = pathlib.Path.rename
def watched(path, target):
    if path.parent.name == ".restoring" and path.name == "state":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, target)
pathlib.Path.rename = watched
from dbyard.__main__ import main
main()
"""
"""The state that was there is aside, and the other one not yet in its place."""


def test_a_rebuild_that_is_killed_goes_on(served: tuple[Platform, wire.Connection]) -> None:
    """And loses nothing of what the home's own state has beside databases."""
    home, _ = served
    connection = home.await_usable(NAME)
    home.terminate()
    token = (home.home / "admin-token").read_text()
    argv = [sys.executable, "-c", DYING, "state", "rebuild", "--home", str(home.home)]
    assert subprocess.run(argv, env={**os.environ, **home.environment}, check=False).returncode == -9
    assert not (home.home / "state").exists()
    assert home.launch().wait(60) == 1
    assert "is put in place" in run(home, "state", "rebuild")
    home.start()
    assert (home.home / "admin-token").read_text() == token
    assert home.await_usable(NAME) == connection


def await_manifests(home: Platform) -> None:
    """What lies beside the servers is as new as the state."""
    box = load_or_make_key(home.home / "master.key")

    def are_new() -> bool:
        with open_readonly(home.home / "state" / "dbyard.db") as connection:
            found = database_rows.load_all(connection)
        paths = {path.parent.name: path for path in (home.home / "instances").glob("*/manifest.json")}
        told = {
            each: manifests.unseal(box, each, json.loads(path.read_text())["sealed"]) for each, path in paths.items()
        }
        return {str(each.database["id"]): each.rows for each in told.values()} == found

    wait_for(are_new, home.log, 30)


def test_the_master_key_is_kept_elsewhere(
    served: tuple[Platform, wire.Connection], secret: Path, tmp_path: Path
) -> None:
    home, _ = served
    kept, path = tmp_path / "key", home.home / "master.key"
    run(home, "key", "export", kept, "--passphrase-file", secret)
    assert path.read_bytes() not in kept.read_bytes()
    with platform() as other:
        run(other, "key", "import", kept, "--passphrase-file", secret)
        assert (other.home / "master.key").read_bytes() == path.read_bytes()
        assert (other.home / "master.key").stat().st_mode & 0o777 == 0o600


def test_the_state_is_in_the_archive_by_itself(served: tuple[Platform, wire.Connection]) -> None:
    home, _ = served
    home.terminate()
    home.start(DBYARD_SCHEDULED_BACKUPS="1")
    copies = home.home / "archive" / "platform"
    wait_for(lambda: list(copies.glob("*/*/state")), home.log, 60)
    wait_for(lambda: "the state is in the archive as platform/" in home.log(), home.log, 60)
    home.terminate()
