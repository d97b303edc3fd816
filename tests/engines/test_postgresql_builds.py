"""A database of one build of PostgreSQL goes on with another one of the same version: the wheel's with Debian's."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dbyard import catalogue, installations
from dbyard.model import Applied
from tests.engines.test_postgresql_databases import admin, run

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server


@pytest.fixture
def server(launch: Launch) -> Server:
    """One that the wheel's build has prepared and served."""
    builds = installations.list_managed(catalogue.load().version("postgresql", "17"))
    wheel = next((each for each in builds if not each.whole), None)
    server = launch("postgresql", "17", start=False)
    if wheel is None or not server.installation.whole:
        pytest.skip("needs both builds of PostgreSQL 17")
    use(server, wheel.root.name)
    for path in server.layout.data.iterdir():
        server.run("rm", "-r", str(path))
    server.prepare()
    server.start().configure()
    return server


def use(server: Server, name: str) -> None:
    builds = installations.list_managed(catalogue.load().version("postgresql", "17"))
    build = next(each for each in builds if each.root.name == name)
    server.installation = build
    server.layout = replace(server.layout, bin=build.bin, root=build.root, full_version=build.full_version)


def test_data_of_the_wheel_go_on_with_debians(server: Server, launch: Launch) -> None:
    whole = installations.find("postgresql", "17")
    assert whole is not None
    run(
        server,
        "CREATE TABLE word (w text PRIMARY KEY)",
        "INSERT INTO word SELECT md5(i::text) FROM generate_series(1, 5000) i",
        "INSERT INTO word VALUES ('zebra'), ('Apple'), ('Éclair')",
        "CREATE EXTENSION pg_trgm",
        "CREATE INDEX fuzzy ON word USING gin (w gin_trgm_ops)",
    )
    before = run(server, "SELECT md5(string_agg(w, ',' ORDER BY w)) FROM word")
    assert server.stop() == 0
    use(server, whole.root.name)
    said = server.run(str(server.layout.bin / "pg_checksums"), "--check", "-D", str(server.layout.data))
    assert "Bad checksums:  0" in said
    server.start()
    assert server.configure() == Applied()
    with closing(admin(server)) as session:
        version = session.execute("SELECT current_setting('server_version')").fetchone()
        stale = session.execute(
            "SELECT count(*) FROM pg_database"
            " WHERE datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)"
        ).fetchone()
    assert version is not None
    assert version[0].startswith(whole.full_version)
    assert stale == (0,), "indexes are sorted as they were"
    assert run(server, "SELECT md5(string_agg(w, ',' ORDER BY w)) FROM word") == before
    run(server, "CREATE EXTENSION amcheck", "SELECT bt_index_check('word_pkey', true)")
    assert run(server, "SET enable_seqscan = off", "SELECT w FROM word WHERE w = 'Éclair'") == ["Éclair"]
    assert "collation version" not in server.log()
