"""The platform's own state: backed up while it serves, lost, and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from dbyard import wire
from tests.e2e.platforms import Platform, platform, wait_for

NAME = "kept-redis-db"
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
