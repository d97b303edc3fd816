"""A journal as objects: what continues what, what a moment needs, and what is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.archive import journals
from dbyard.archive.journals import Stretch
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store, prepare
from dbyard.errors import BackupDamaged, ObjectMissing

DIRECTORY = "database/journal/instance/7000-1"
KEY = bytes(32)


def named(*spans: tuple[int, int, float]) -> list[journals.Piece]:
    return journals.parse(journals.name_of(DIRECTORY, start, end, at) for start, end, at in spans)


def ends(pieces: list[journals.Piece]) -> list[int]:
    return [each.end for each in pieces]


class TestNames:
    @given(st.integers(0, 2**63), st.integers(0, 2**63), st.floats(1e9, 4e9))
    def test_tell_what_an_object_holds(self, start: int, end: int, now: float) -> None:
        at = journals.to_milliseconds(now) / 1000
        (found,) = named((start, end, at))
        assert (found.start, found.end, found.at) == (start, end, at)
        assert found.at <= now

    def test_of_other_objects_tell_nothing(self) -> None:
        assert journals.parse(["database/backup/data", f"{DIRECTORY}/.x.new", f"{DIRECTORY}/1-2-3"]) == []


class TestSelect:
    def test_takes_what_the_moment_needs(self) -> None:
        pieces = named((0, 10, 100.0), (10, 20, 110.0), (20, 30, 120.0), (30, 40, 130.0))
        assert ends(journals.select(pieces, Stretch(15, 105.0, 130.0))) == [20]
        assert ends(journals.select(pieces, Stretch(0, 109.5, 130.0))) == [10, 20, 30]  # a commit may tell 109.4
        assert ends(journals.select(pieces, Stretch(10, 999.0, 130.0))) == [20, 30, 40]

    def test_takes_the_longest_of_those_that_begin_alike(self) -> None:
        pieces = named((0, 10, 100.0), (10, 15, 105.0), (10, 20, 110.0), (20, 30, 120.0))
        assert ends(journals.select(pieces, Stretch(0, 120.0, 120.0))) == [10, 20, 30]

    @pytest.mark.parametrize("lacks", [0, 1, 2])
    def test_names_what_is_missing(self, lacks: int) -> None:
        pieces = named((0, 16, 100.0), (16, 32, 110.0), (32, 48, 120.0))
        missing = pieces.pop(lacks)
        with pytest.raises(ObjectMissing, match=f"from the position {missing.start:x} on"):
            journals.select(pieces, Stretch(0, 120.0, 120.0))
        if lacks == 2:
            assert ends(journals.select(pieces, Stretch(0, 105.0, 120.0))) == [16, 32]


class TestJoin:
    def test_takes_many_small_ones_that_are_old(self) -> None:
        pieces = named(*((each, each + 1, 100.0 + each) for each in range(100)))
        assert journals.list_joins(pieces, 100.0 + 29) == []
        (group,) = journals.list_joins(pieces, 100.0 + 50)
        assert group == pieces[:50]
        del pieces[20]
        (group,) = journals.list_joins(pieces, 1000.0)
        assert (group[0].start, group[-1].end) == (21, 100)

    def test_makes_none_that_is_too_large(self) -> None:
        size = 1 << 20
        pieces = named(*((each * size, (each + 1) * size, 100.0 + each) for each in range(130)))
        assert [len(group) for group in journals.list_joins(pieces, 1000.0)] == [64, 64]

    def test_puts_what_they_have_and_leaves_them(self, tmp_path: Path) -> None:
        location, written = Location(f"file://{tmp_path}"), os.urandom(5000)
        prepare(location)
        for start in range(0, 5000, 100):
            piece = written[max(0, start - 50) : start + 100]  # each begins within the one before
            name = journals.name_of(DIRECTORY, max(0, start - 50), start + 100, start)
            journals.put(open_store(location), KEY, name, [piece])
        before = journals.list_pieces(location, DIRECTORY)
        journals.join(location, KEY, DIRECTORY, before)
        pieces = journals.list_pieces(location, DIRECTORY)
        assert len(pieces) == len(before) + 1
        assert [(each.start, each.end, each.at) for each in journals.chain(pieces, 0)] == [(0, 5000, 4900.0)]
        assert journals.list_covered(pieces, 4900.0) == []
        assert journals.list_covered(pieces, 4901.0) == before
        for start in (0, 1234):
            wanted = journals.select(pieces, Stretch(start, 4900.0, 4900.0))
            assert b"".join(journals.read(location, KEY, wanted, start)) == written[start:]
        assert journals.list_joins(pieces, 9000.0) == []

    def test_of_one_that_is_damaged_puts_nothing(self, tmp_path: Path) -> None:
        location = Location(f"file://{tmp_path}")
        prepare(location)
        for start in range(3):
            journals.put(open_store(location), KEY, journals.name_of(DIRECTORY, start, start + 1, start), [b"x"])
        pieces = journals.list_pieces(location, DIRECTORY)
        (tmp_path / pieces[1].name).write_bytes(b"damaged")
        with pytest.raises(BackupDamaged, match=pieces[1].name):
            journals.join(location, KEY, DIRECTORY, pieces)
        assert journals.list_pieces(location, DIRECTORY) == pieces

    def test_of_what_is_not_counted_in_bytes_puts_nothing(self, tmp_path: Path) -> None:
        location = Location(f"file://{tmp_path}")
        prepare(location)
        journals.put(open_store(location), KEY, journals.name_of(DIRECTORY, 0, 10, 1), [b"x"])
        pieces = journals.list_pieces(location, DIRECTORY)
        with pytest.raises(BackupDamaged, match="they are not joined"):
            journals.join(location, KEY, DIRECTORY, pieces)


class TestRead:
    def test_fetches_many_in_their_order(self, tmp_path: Path) -> None:
        location, written = Location(f"file://{tmp_path}"), os.urandom(3000)
        prepare(location)
        for start in range(0, 3000, 50):
            name = journals.name_of(DIRECTORY, start, start + 50, start)
            journals.put(open_store(location), KEY, name, [written[start : start + 50]])
        pieces = journals.list_pieces(location, DIRECTORY)
        assert b"".join(journals.read(location, KEY, pieces, 0)) == written

    def test_gives_the_bytes_from_a_position_on(self, tmp_path: Path) -> None:
        location = Location(f"file://{tmp_path}")
        prepare(location)
        written = os.urandom(3000)
        for start, end in ((0, 1000), (1000, 1500), (1000, 2000), (2000, 3000)):
            name = journals.name_of(DIRECTORY, start, end, end)
            journals.put(open_store(location), KEY, name, [written[start:end]])
        pieces = journals.select(journals.list_pieces(location, DIRECTORY), Stretch(700, 3000.0, 3000.0))
        assert b"".join(journals.read(location, KEY, pieces, 700)) == written[700:]

    def test_takes_what_is_lost_from_the_copy(self, tmp_path: Path) -> None:
        copy = Location(f"file://{tmp_path / 'copy'}")
        location = Location(f"file://{tmp_path / 'first'}", copy=copy)
        for each in (location, copy):
            prepare(each)
            for start in (0, 10, 20):
                name = journals.name_of(DIRECTORY, start, start + 10, start + 10)
                journals.put(open_store(each), KEY, name, [bytes([start]) * 10])
        (tmp_path / "first" / journals.name_of(DIRECTORY, 10, 20, 20)).unlink()
        pieces = journals.select(journals.list_pieces(location, DIRECTORY), Stretch(0, 30.0, 30.0))
        assert b"".join(journals.read(location, KEY, pieces, 0)) == bytes(10) + b"\n" * 10 + b"\x14" * 10
        shutil.rmtree(tmp_path / "copy")
        assert ends(journals.list_pieces(location, DIRECTORY)) == [10, 30]

    def test_takes_what_is_damaged_from_the_copy(self, tmp_path: Path) -> None:
        copy = Location(f"file://{tmp_path / 'copy'}")
        location, name = Location(f"file://{tmp_path / 'first'}", copy=copy), journals.name_of(DIRECTORY, 0, 10, 10)
        prepare(location)
        journals.put(open_store(location), KEY, name, [bytes(10)])
        shutil.copytree(tmp_path / "first", tmp_path / "copy")
        (tmp_path / "first" / name).write_bytes(b"damaged")
        noted: list[str] = []
        pieces = journals.list_pieces(location, DIRECTORY)
        assert b"".join(journals.read(location, KEY, pieces, 0, noted.append)) == bytes(10)
        assert noted == [name]

    def test_refuses_one_in_the_place_of_another(self, tmp_path: Path) -> None:
        location = Location(f"file://{tmp_path}")
        prepare(location)
        first, second = (journals.name_of(DIRECTORY, start, start + 10, 100.0) for start in (0, 10))
        for name in (first, second):
            journals.put(open_store(location), KEY, name, [bytes(10)])
        (tmp_path / second).write_bytes((tmp_path / first).read_bytes())
        pieces = journals.list_pieces(location, DIRECTORY)
        with pytest.raises(BackupDamaged, match=second):
            list(journals.read(location, KEY, pieces, 0))
