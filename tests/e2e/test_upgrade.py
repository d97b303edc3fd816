"""A database moves to a build of its version that was installed after it: when that is asked for, and not before."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from dbyard import catalogue, installations
from dbyard.model import Installation, engines_home
from tests.disks import make_directory
from tests.e2e.platforms import kill_processes, platform

NAME = "upgraded-db"


@pytest.fixture
def builds() -> tuple[Installation, Installation]:
    """The build from PyPI, and the newer one from Debian."""
    found = installations.list_managed(catalogue.load().version("postgresql", "17"))
    wheel = next((each for each in found if not each.whole), None)
    if wheel is None or not found[0].whole:
        pytest.skip("needs both builds of PostgreSQL 17")
    return wheel, found[0]


def link(engines: Path, build: Installation) -> None:
    directory = engines / "postgresql"
    directory.mkdir(exist_ok=True)
    (directory / build.root.name).symlink_to(build.root)


def test_postgresql(builds: tuple[Installation, Installation]) -> None:
    engines = make_directory() / "engines"
    engines.mkdir()
    engines.parent.chmod(0o755)
    if (engines_home() / "bubblewrap").is_dir():
        (engines / "bubblewrap").symlink_to(engines_home() / "bubblewrap")
    wheel, whole = builds
    link(engines, wheel)
    with platform(DBYARD_ENGINES=str(engines)) as made:
        made.start()
        before = made.create(NAME, "postgresql")
        with psycopg.connect(before.url, autocommit=True) as session:
            session.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
        link(engines, whole)
        kill_processes([made.server(before.port)])
        made.await_operation(NAME, lambda latest: latest.kind == "heal" and latest.status == "done")
        assert version(before.url).startswith(wheel.full_version), "a heal is no upgrade"
        with made.client() as client:
            client.upgrade(NAME)
        made.await_operation(NAME, lambda latest: latest.kind == "upgrade" and latest.status == "done")
        assert made.await_usable(NAME) == before
        assert version(before.url).startswith(whole.full_version)
        with psycopg.connect(before.url, autocommit=True) as session:
            assert session.execute("SELECT count(*) FROM t").fetchone() == (1000,)
            session.execute("CREATE EXTENSION vector")
        made.delete(NAME)


def version(url: str) -> str:
    with psycopg.connect(url) as session:
        found = session.execute("SHOW server_version").fetchone()
    assert found is not None
    return str(found[0])
