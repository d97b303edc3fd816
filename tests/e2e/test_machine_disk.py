"""A machine whose disk one tenant fills as fast as it can: its neighbours go on, and it can be deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest

from dbyard.model import MIB
from tests.e2e import tenants
from tests.e2e.platforms import Platform, wait_for

WRITER, NEIGHBOUR = "writer-db", "neighbour-db"
SIZE_MB = 1200

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")


@pytest.fixture
def small(fresh: Platform) -> Iterator[Platform]:
    """A platform whose home is a small ext4 of its own."""
    image = fresh.home.with_name("image")
    image.touch()
    os.truncate(image, SIZE_MB * MIB)
    fresh.home.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, fresh.home], check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    shutil.rmtree(fresh.home / "lost+found")
    yield fresh
    fresh.kill()
    fresh.end_servers()
    subprocess.run(["umount", fresh.home], check=True)


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


def test_the_writer_is_stopped_and_its_neighbour_goes_on(small: Platform) -> None:
    """Its plan would let it have ten times as much as the machine."""
    small.start(DBYARD_SPARES="0")
    connection = small.create(WRITER, "postgresql")
    neighbour = tenants.connect("redis", small.create(NEIGHBOUR, "redis").url)
    with writing(connection.url), small.client() as client:
        wait_for(lambda: client.get_details(WRITER).disk.restriction != "none", small.log, 120)
        for number in range(20):
            neighbour.write(number)
            assert client.get_details(NEIGHBOUR).disk.restriction == "none", small.log()
            assert shutil.disk_usage(small.home).free > 0
            threading.Event().wait(0.1)
        assert neighbour.read() == set(range(20))
        client.delete_database(WRITER, confirm=WRITER)
        wait_for(lambda: shutil.disk_usage(small.home).free > SIZE_MB * MIB // 2, small.log, 60)
    neighbour.write(99)
    neighbour.close()
