"""An archive as a store of objects: a directory, and a bucket of a real server that speaks S3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard.archive import stores
from dbyard.archive.locations import Location
from dbyard.archive.stores import Store, open_store, prepare
from dbyard.errors import ArchiveUnavailable, ObjectMissing
from tests.buckets import Gateway, gateway, program
from tests.ports import BUCKETS, CLOSED, own


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    program()
    with gateway(tmp_path_factory.mktemp("gateway"), own(BUCKETS)[0]) as made:
        yield made


@pytest.fixture(params=["directory", "bucket"])
def location(request: pytest.FixtureRequest, root: Path) -> Location:
    if request.param == "directory":
        return Location(f"file://{root}")
    made: Gateway = request.getfixturevalue("bucket")
    return replace(made.location, url=f"s3://backups/{request.node.name}")


@pytest.fixture
def store(location: Location) -> Store:
    prepare(location)
    return open_store(location)


def read(store: Store, name: str, *span: int) -> bytes:
    return b"".join(store.read(name, *span))


class TestObjects:
    def test_are_read_as_they_were_put(self, store: Store) -> None:
        store.put("db/b/data", [b"one", b"", b"two"])
        assert read(store, "db/b/data") == b"onetwo"

    @pytest.mark.parametrize(("span", "found"), [((2,), b"etwo"), ((2, 4), b"et"), ((0, 0), b""), ((5, 99), b"o")])
    def test_are_read_in_part(self, store: Store, span: tuple[int, ...], found: bytes) -> None:
        store.put("data", [b"onetwo"])
        assert read(store, "data", *span) == found

    def test_may_be_large(self, store: Store) -> None:
        piece = os.urandom(3_000_000)
        store.put("data", [piece] * 8)
        assert read(store, "data") == piece * 8
        assert read(store, "data", 2_999_999, 3_000_001) == piece[-1:] + piece[:1]

    def test_take_the_place_of_one_of_that_name(self, store: Store) -> None:
        store.put("data", [b"old and long"])
        store.put("data", [b"new"])
        assert read(store, "data") == b"new"

    def test_that_fail_half_way_leave_what_was_there(self, store: Store) -> None:
        def broken() -> Iterator[bytes]:
            yield b"half"
            raise KeyError("its program failed")

        store.put("db/old", [b"old"])
        for name in ("db/old", "db/new"):
            with pytest.raises(KeyError, match="its program failed"):
                store.put(name, broken())
        assert store.list("db") == ["db/old"]
        assert read(store, "db/old") == b"old"

    def test_that_are_missing_are_told(self, store: Store) -> None:
        with pytest.raises(ObjectMissing, match="db/data"):
            read(store, "db/data")

    def test_are_listed_and_removed_below_a_directory(self, store: Store) -> None:
        for name in ("db/b/manifest", "db/b/data", "db/c/data", "db2/b/data"):
            store.put(name, [b"x"])
        assert store.list("db") == ["db/b/data", "db/b/manifest", "db/c/data"]
        assert [name.partition("/")[0] for name in store.list()] == ["db", "db", "db", "db2"]
        assert list(store.list_directories()) == ["db", "db2"]
        assert list(store.list_directories("db")) == ["b", "c"]
        assert list(store.list_directories("db/b")) == list(store.list_directories("none")) == []
        store.delete_all("db/b")
        assert store.list("db") == ["db/c/data"]
        store.delete_all("db/b")
        assert store.list("db2") == ["db2/b/data"]


class TestDirectory:
    @pytest.fixture
    def location(self, root: Path) -> Location:
        return Location(f"file://{root}")

    def test_is_read_by_its_owner_only(self, store: Store, root: Path) -> None:
        store.put("db/data", [b"x"])
        assert [path.stat().st_mode & 0o077 for path in (root, root / "db", root / "db/data")] == [0, 0, 0]

    def test_what_a_kill_left_half_written_is_no_object(self, store: Store, root: Path) -> None:
        store.put("db/b/data", [b"x"])
        (root / "db/b/.manifest.new").write_bytes(b"half")
        assert store.list("db") == ["db/b/data"]
        store.delete_all("db/b")
        assert not (root / "db/b").exists()

    def test_what_a_kill_left_half_written_long_ago_is_removed(self, store: Store, root: Path) -> None:
        store.put("db/journal/1", [b"x"])
        left = [root / "db/journal" / name for name in (".1.new", ".2.new")]
        for path in left:
            path.write_bytes(b"half")
        os.utime(left[0], (1000, 1000))
        store.delete_unfinished(2000.0)
        assert [path.exists() for path in left] == [False, True]
        assert store.list() == ["db/journal/1"]
        assert (root / ".dbyard-archive").exists()

    def test_that_is_not_mounted_is_told_and_never_made_up(self, location: Location, root: Path) -> None:
        root.mkdir()
        store = open_store(location)
        calls = (
            lambda: store.put("db/data", [b"x"]),
            lambda: read(store, "db/data"),
            lambda: store.list("db"),
            lambda: store.delete_all("db"),
        )
        for call in calls:
            with pytest.raises(ArchiveUnavailable, match="is not mounted, or is no archive yet"):
                call()
        assert list(root.iterdir()) == []

    def test_that_cannot_be_made_is_told(self, location: Location, root: Path) -> None:
        root.write_text("a file where the directory should be")
        with pytest.raises(ArchiveUnavailable):
            prepare(location)

    def test_keeps_a_reserve_of_its_disk(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stores, "_RESERVE", 1.0)
        monkeypatch.setattr(stores, "_MOST_RESERVE", 1 << 60)
        with pytest.raises(ArchiveUnavailable, match="is full but for a reserve"):
            store.put("db/data", [b"x"])
        assert store.list("db") == []

    @pytest.mark.parametrize("name", ["", "/etc/passwd", "../other", "db/../../other"])
    def test_reaches_nothing_beside_itself(self, store: Store, name: str) -> None:
        with pytest.raises(ValueError, match="names no object"):
            store.put(name, [b"x"])


class TestBucket:
    @pytest.fixture
    def location(self, bucket: Gateway) -> Location:
        return replace(bucket.location, url="s3://backups/alone")

    @pytest.mark.parametrize("change", [{"secret_key": "another"}, {"access_key": "another"}, {"url": "s3://nobodys"}])
    def test_that_lets_nobody_in_is_told(self, location: Location, change: dict[str, str]) -> None:
        store = open_store(replace(location, **change))  # type: ignore[arg-type] # these fields are texts
        with pytest.raises((ArchiveUnavailable, ObjectMissing)) as told:
            store.put("db/data", [b"x"])
        assert location.secret_key not in str(told.value)

    def test_that_is_gone_is_told(self, location: Location) -> None:
        store = open_store(replace(location, endpoint=f"http://127.0.0.1:{own(CLOSED)[0]}"))
        for call in (lambda: store.put("data", [b"x"]), lambda: store.list("db")):
            with pytest.raises(ArchiveUnavailable):
                call()

    def test_objects_lie_below_its_prefix(self, store: Store, bucket: Gateway) -> None:
        store.put("db/data", [b"x"])
        assert (bucket.files.parent / "alone" / "db" / "data").read_bytes() == b"x"
