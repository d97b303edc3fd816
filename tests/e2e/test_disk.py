"""A disk that is full, one that is read-only, and a start on either: a clear refusal and nothing half made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dbyard import wire
from dbyard.errors import Unavailable
from dbyard.model import MIB
from tests.e2e import tenants
from tests.e2e.platforms import Platform, new_database, wait_for

QUICK = "redis"
ROOM_BYTES = 256 * MIB

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")


@pytest.fixture
def small(fresh: Platform) -> Iterator[Platform]:
    """A platform whose home is a file system of its own, with room for a few databases."""
    fresh.home.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=0711", "tmpfs", fresh.home], check=False)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield fresh
    fresh.kill()
    subprocess.run(["mount", "-o", "remount,rw", fresh.home], check=True)
    fill(fresh.home, -1)
    fresh.end_servers()
    subprocess.run(["umount", fresh.home], check=True)


def fill(home: Path, left: int) -> None:
    """Leave so many bytes free; -1 for all that the platform itself does not use."""
    path = home / "ballast"
    path.unlink(missing_ok=True)
    with path.open("wb", buffering=0) as file, suppress(OSError):  # others write at the same time
        while left >= 0 and (free := shutil.disk_usage(home).free) > left:
            file.write(bytes(min(free - left, MIB)))


def refuse(home: Platform, name: str) -> None:
    with home.client() as client, pytest.raises(Unavailable):
        client.create_database(new_database(name, QUICK))


def directories(home: Platform) -> list[str]:
    return sorted(path.name for place in ("instances", "spares", "trash") for path in (home.home / place).iterdir())


class TestFullDisk:
    def test_refuses_and_goes_on_when_there_is_room_again(self, small: Platform) -> None:
        connection = small.start().create("before-db", QUICK)
        tenant = tenants.connect(QUICK, connection.url)
        before = directories(small)
        fill(small.home, ROOM_BYTES - MIB)
        refuse(small, "refused-db")
        with small.client() as client:
            assert [database.name for database in client.list_databases()] == ["before-db"]
            assert client.get_connection("before-db").url == connection.url
        assert directories(small) == before
        tenant.write(1)
        assert tenant.read() == {1}
        fill(small.home, -1)
        assert tenants.answers(QUICK, small.create("refused-db", QUICK).url)
        tenant.close()

    def test_to_the_last_byte_still_answers_reads_and_deletes(self, small: Platform) -> None:
        """What the state needs for that is set aside."""
        connection = small.start().create("before-db", QUICK)
        small.create("culprit-db", QUICK)
        fill(small.home, 0)
        refuse(small, "refused-db")
        with small.client() as client:
            assert client.get_database("before-db").name == "before-db"
            client.delete_database("culprit-db", confirm="culprit-db")
            assert [database.name for database in client.list_databases()] == ["before-db"]
            wait_for(lambda: len(list((small.home / "instances").iterdir())) == 1, small.log, 30)
        fill(small.home, -1)
        small.create("after-db", QUICK)
        tenants.await_answer(QUICK, connection.url, 60)  # closed until there was room for a while

    def test_while_a_server_is_made_ends_well_when_there_is_room(self, small: Platform) -> None:
        """As when tenants fill the disk between the answer and the server."""
        small.start(DBYARD_WORKERS="1")
        with small.client() as client:
            client.create_database(new_database("early-db", "postgresql"))
            fill(small.home, 8 * MIB)  # less than it takes
            wait_for(lambda: is_told(client.list_operations("early-db")[0]), small.log, 30)
            fill(small.home, -1)
        tenants.await_answer("postgresql", small.await_usable("early-db").url, 60)
        small.delete("early-db")

    def test_at_the_start_costs_the_reserve(self, small: Platform) -> None:
        """So that it can be started, and what fills it deleted."""
        small.start().create("culprit-db", QUICK)
        assert (small.home / "reserve").exists()
        small.kill()
        fill(small.home, 0)
        small.start()
        assert not (small.home / "reserve").exists()
        with small.client() as client:
            client.delete_database("culprit-db", confirm="culprit-db")
        wait_for(lambda: not list((small.home / "instances").iterdir()), small.log, 30)
        fill(small.home, -1)
        small.terminate()
        small.start()
        assert (small.home / "reserve").exists()

    def test_without_a_reserve_the_start_is_refused(self, small: Platform) -> None:
        small.start().terminate()
        (small.home / "reserve").unlink()
        fill(small.home, 0)
        assert small.launch().wait(30) == 1
        assert "Traceback" not in small.log()
        assert "Error: " in small.log()


class TestReadOnlyHome:
    def test_at_the_start_is_refused(self, small: Platform) -> None:
        small.start().terminate()
        subprocess.run(["mount", "-o", "remount,ro", small.home], check=True)
        assert small.launch().wait(30) == 1
        assert f"Error: cannot use the home {small.home}" in small.log()
        assert "Traceback" not in small.log()


def is_told(operation: wire.Operation) -> bool:
    """It failed more than once, or was quicker than the disk was full."""
    return (operation.error is not None and operation.attempt > 1) or operation.status == "done"
