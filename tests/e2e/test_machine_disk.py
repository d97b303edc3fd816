"""A machine whose disk one tenant fills as fast as it can: its neighbours go on, and it can be deleted."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from dbyard.model import MIB
from tests.e2e import tenants
from tests.e2e.conftest import SIZE_MB
from tests.e2e.platforms import Platform, wait_for

WRITER, NEIGHBOUR = "writer-db", "neighbour-db"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")


@contextmanager
def writing(url: str) -> Iterator[None]:
    """A tenant that writes on, whatever it is told."""
    stop = threading.Event()

    def insert() -> None:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as session:
            session.execute("CREATE TABLE IF NOT EXISTS big (x text)")
            session.execute("ALTER TABLE big ALTER x SET STORAGE external")
            while not stop.is_set():
                session.execute("BEGIN READ WRITE")
                session.execute("INSERT INTO big SELECT repeat(md5(g::text), 3000) FROM generate_series(1, 50) g")
                session.execute("COMMIT")

    def write() -> None:
        while not stop.wait(0.05):
            with suppress(psycopg.Error):
                insert()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def test_the_writer_is_stopped_and_its_neighbour_goes_on(small_ext4: Platform) -> None:
    """Its plan would let it have ten times as much as the machine."""
    small_ext4.start(DBYARD_SPARES="0")
    connection = small_ext4.create(WRITER, "postgresql")
    neighbour = tenants.connect("redis", small_ext4.create(NEIGHBOUR, "redis").url)
    with writing(connection.url), small_ext4.client() as client:
        wait_for(lambda: client.get_details(WRITER).disk.restriction != "none", small_ext4.log, 120)
        for number in range(20):
            neighbour.write(number)
            assert client.get_details(NEIGHBOUR).disk.restriction == "none", small_ext4.log()
            assert shutil.disk_usage(small_ext4.home).free > 0
            threading.Event().wait(0.1)
        assert neighbour.read() == set(range(20))
        client.delete_database(WRITER, confirm=WRITER)
        wait_for(lambda: shutil.disk_usage(small_ext4.home).free > SIZE_MB * MIB // 2, small_ext4.log, 60)
    neighbour.write(99)
    neighbour.close()
