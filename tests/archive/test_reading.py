"""What an object holds, read from an archive that has it damaged and from the copy that has not."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dbyard.archive import objects, reading
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store, prepare
from dbyard.errors import ArchiveUnavailable, BackupDamaged, ObjectMissing

KEY = bytes(range(32))
NAME = "db/b/data"
PLAIN = random.Random(1).randbytes(3 * objects.CHUNK + 1000)
"""Of several chunks, however it is compressed."""


@pytest.fixture
def location(tmp_path: Path) -> Location:
    copy = Location(f"file://{tmp_path / 'copy'}")
    made = Location(f"file://{tmp_path / 'first'}", copy=copy)
    for each in (made, copy):
        prepare(each)
    stored = b"".join(objects.pack(KEY, NAME, [PLAIN], objects.LEVEL))
    for each in (made, copy):
        open_store(each).put(NAME, [stored])
    return made


def first(location: Location) -> Path:
    return location.directory / NAME


def second(location: Location) -> Path:
    assert location.copy is not None
    return location.copy.directory / NAME


def flip(path: Path, number: int) -> None:
    stored = bytearray(path.read_bytes())
    stored[number] ^= 1 << number % 8
    path.write_bytes(stored)


def cut(path: Path, number: int) -> None:
    os.truncate(path, number)


def lengthen(path: Path, number: int) -> None:
    with path.open("ab") as file:
        file.write(bytes(number))


def read(location: Location) -> tuple[bytes, list[str]]:
    noted: list[str] = []
    return b"".join(reading.read(location, KEY, NAME, note=noted.append)), noted


class TestRead:
    def test_of_what_is_whole_asks_no_copy(self, location: Location) -> None:
        second(location).unlink()
        assert read(location) == (PLAIN, [])

    @pytest.mark.parametrize("damage", [flip, cut, lengthen])
    def test_of_what_is_damaged_gives_what_the_copy_has(
        self, location: Location, rng: random.Random, damage: Callable[[Path, int], None]
    ) -> None:
        """Wherever that is: a chunk of the one is followed by the next one of the other."""
        stored = first(location).read_bytes()
        edges = (0, 20, objects.HEADER, objects.HEADER + objects.CHUNK + objects.TAG, len(stored) - 1)
        for number in (*edges, *(rng.randrange(len(stored)) for _ in range(10))):
            damage(first(location), number or 1)
            assert read(location) == (PLAIN, [NAME])
            first(location).write_bytes(stored)

    def test_of_what_is_lost_gives_what_the_copy_has(self, location: Location) -> None:
        first(location).unlink()
        assert read(location) == (PLAIN, [NAME])

    def test_of_what_both_have_damaged_tells_what_the_archive_has(self, location: Location) -> None:
        flip(first(location), 2_000_000)
        flip(second(location), 2_500_000)
        with pytest.raises(BackupDamaged, match=f"{NAME} is damaged or cut off in its chunk 1"):
            read(location)

    def test_of_what_the_copy_lacks_as_well(self, location: Location) -> None:
        flip(first(location), 100)
        second(location).unlink()
        with pytest.raises(BackupDamaged, match="is damaged"):
            read(location)
        first(location).unlink()
        with pytest.raises(ObjectMissing, match=NAME):
            read(location)

    def test_never_joins_two_objects(self, location: Location) -> None:
        """Of one name and of the same content, but sealed another time."""
        second(location).write_bytes(b"".join(objects.pack(KEY, NAME, [PLAIN], objects.LEVEL)))
        flip(first(location), 2_000_000)
        with pytest.raises(BackupDamaged, match="is damaged"):
            read(location)
        flip(first(location), 100)
        assert read(location) == (PLAIN, [NAME])

    def test_of_what_a_copy_that_is_away_may_have(self, location: Location) -> None:
        flip(first(location), 100)
        assert location.copy is not None
        location.copy.directory.rename(location.copy.directory.with_name("unmounted"))
        with pytest.raises(
            ArchiveUnavailable, match=r"db/b/data is damaged .*; its copy does not serve: .*not mounted"
        ):
            read(location)


class TestChecked:
    def test_gives_the_bytes_as_they_are(self, location: Location) -> None:
        stored = first(location).read_bytes()
        assert b"".join(reading.checked(KEY, NAME, iter([stored[:70_000], stored[70_000:]]))) == stored

    def test_never_ends_what_is_damaged(self, location: Location) -> None:
        flip(first(location), -1)
        with pytest.raises(BackupDamaged):
            open_store(location).put("db/other", reading.checked(KEY, NAME, open_store(location).read(NAME)))
        assert open_store(location).list() == [NAME]
