"""A machine that is lost, and made again from the archive and the exported key alone, as the guide says it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbyard import wire
from tests.e2e import tenants
from tests.e2e.platforms import Platform, platform, wait_for

GUIDE = (Path(__file__).parents[2] / "docs" / "recovery.md").read_text()
KILLER = ("-m", "tests.e2e.killer", "serve")
NAMES = {"postgresql": "my-postgresql", "redis": "my-redis-db"}
REDIS = NAMES["redis"]
ROWS = {"postgresql": 30, "redis": 20}
WITHOUT = "without-a-backup"


class Lost:
    """What is left of a machine: its archive, and what was kept elsewhere; and what it was like."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self.stack = stack
        self.environment = {"DBYARD_ARCHIVE": str(directory / "archive")}
        self.before: dict[str, wire.Connection] = {}
        self.ids: dict[str, str] = {}

    def write_on(self, home: Platform) -> None:
        """What comes after the backup is in the archive soon."""
        with closing(tenants.connect("postgresql", self.before["postgresql"].url)) as tenant:
            tenant.write_many(range(20, 30))
        now = datetime.now(UTC)

        def is_there() -> bool:
            with home.client() as client:
                latest = client.get_recovery_window(NAMES["postgresql"]).latest_recoverable_at
            return latest is not None and latest > now

        wait_for(is_there, home.log, 60)

    def home(self) -> Platform:
        return self.stack.enter_context(platform(**self.environment))


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lost]:
    """Of each database there is a proved backup of 20 rows; of Redis an older one of 10 as well.

    The journal of PostgreSQL has ten rows more.
    """
    with ExitStack() as stack:
        kept = Lost(tmp_path_factory.mktemp("elsewhere"), stack)
        (kept.directory / "passphrase").write_text("kept in another place\n")
        with platform(**kept.environment) as home:
            home.start().create(WITHOUT, "redis")
            for technology, name in NAMES.items():
                kept.before[technology] = home.create(name, technology)
                with closing(tenants.connect(technology, kept.before[technology].url)) as tenant:
                    tenant.write_many(range(10))
                    if technology == "redis":
                        back_up(home, name)
                    tenant.write_many(range(10, 20))
                back_up(home, name)
            kept.write_on(home)
            with home.client() as client:
                kept.ids = {each.name: each.id for each in client.list_databases()}
            run_guide(kept, home, "Before anything is lost")
            shell(kept, home, "dbyard state copy")
        yield kept


def back_up(home: Platform, name: str) -> None:
    with home.client() as client:
        made = client.create_backup(name)
        wait_for(
            lambda: client.get_backup(name, made.id).verification.state == "verified",
            lambda: f"{client.get_backup(name, made.id)}\n{home.log()}",
            120,
        )


def commands(title: str) -> list[str]:
    """Those of a part of the guide."""
    part = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    text = next(each for each in part if each.startswith(title))
    return [re.sub(r"^ +", "", each, flags=re.MULTILINE).strip() for each in re.findall(r"```sh\n(.*?)```", text, re.S)]


def run_guide(lost: Lost, home: Platform, title: str) -> dict[str, str]:
    """What each command printed; the platform is started in the background, as a service manager does."""
    printed = {}
    for command in commands(title):
        if command == "dbyard serve":
            home.start()
        else:
            printed[command] = shell(lost, home, command)
    return printed


def shell(lost: Lost, home: Platform, command: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, **home.environment, "PATH": path, "DBYARD_HOME": str(home.home)}
    env |= {"DBYARD_URL": home.url} if home.url else {}
    done = subprocess.run(
        ["/bin/sh", "-ec", command], env=env, cwd=lost.directory, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}\n{home.log()}"
    return done.stdout


def read(technology: str, url: str) -> set[int]:
    with closing(tenants.connect(technology, url)) as tenant:
        return tenant.read()


def test_the_guide_brings_everything_back(lost: Lost) -> None:
    home = lost.home()
    printed = run_guide(lost, home, "The machine is lost")
    assert f"{WITHOUT} (redis) has no backup" in printed["dbyard state recover"]
    for technology, name in NAMES.items():
        now, before = home.await_usable(name), lost.before[technology]
        assert (now.user, now.password, now.database) == (before.user, before.password, before.database)
        assert now.ca_certificate == before.ca_certificate
        assert read(technology, now.url) == set(range(ROWS[technology]))
        with closing(tenants.connect(technology, now.url)) as tenant:
            tenant.write(500)
    with home.client() as client:
        assert {each.name: each.id for each in client.list_databases()} == lost.ids
        assert "no backup" in (client.get_details(WITHOUT).error or "")
        assert len(client.list_backups(REDIS)) == 2
    home.end_servers()


@pytest.mark.parametrize(
    "point", ["allocate effect", "restore effect", "replay_journal effect", "restore recorded", "configure effect"]
)
def test_a_kill_meanwhile_is_made_up_for(lost: Lost, point: str) -> None:
    home = lost.home()
    for command in commands("The machine is lost")[:2]:
        shell(lost, home, command)
    process = home.launch(program=KILLER, KILL_AT=f"recover {point}")
    assert process.wait(60) == -9
    home.start()
    for technology, name in NAMES.items():
        assert read(technology, home.await_usable(name).url) == set(range(ROWS[technology]))
    home.end_servers()


def test_a_backup_that_is_damaged_gives_way_to_an_older_one(lost: Lost) -> None:
    """And without the last of a journal there is what the rest of it tells."""
    home = lost.home()
    newest, older = sorted((lost.directory / "archive" / lost.ids[REDIS]).glob("*/data"), reverse=True)
    whole, piece = newest.read_bytes(), sorted((lost.directory / "archive").glob("*/journal/*/*/*"))[-1]
    newest.write_bytes(whole[:-1])
    piece.rename(piece.with_name("elsewhere"))
    try:
        for command in commands("The machine is lost")[:2]:
            shell(lost, home, command)
        home.start()
        assert read("redis", home.await_usable(REDIS).url) == set(range(10))
        assert read("postgresql", home.await_usable(NAMES["postgresql"]).url) < set(range(30))
        with home.client() as client:
            found = {each.id: each.verification.state for each in client.list_backups(REDIS)}
            assert found == {newest.parent.name: "failed", older.parent.name: "verified"}
            failed = [each for each in client.list_operations(REDIS) if each.error]
        assert [each.error.code for each in failed if each.error] == ["backup_damaged"]
    finally:
        newest.write_bytes(whole)
        piece.with_name("elsewhere").rename(piece)
        (newest.parent / "proof").unlink()
    home.end_servers()
