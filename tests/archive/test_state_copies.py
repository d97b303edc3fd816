"""Copies of a platform's state: packed, put into an archive, and put back into a home."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dbyard.archive import state_copies
from dbyard.archive.locations import Location
from dbyard.archive.state_copies import StateArchive
from dbyard.archive.stores import prepare
from dbyard.errors import BackupDamaged, ConfigError
from dbyard.model import DAY
from dbyard.secrets import Box

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()
KEY = bytes(32)
BESIDE = {"ca/ca.crt": b"crt", "ca/ca.key": b"key", "admin-token": b"token"}


@pytest.fixture
def home(tmp_path: Path, empty_state: Path) -> Path:
    made = tmp_path / "home"
    for name, content in {**BESIDE, "master.key": KEY, "state/dbyard.db": empty_state.read_bytes()}.items():
        (made / name).parent.mkdir(exist_ok=True, parents=True)
        (made / name).write_bytes(content)
    return made


@pytest.fixture
def archive(tmp_path: Path) -> StateArchive:
    location = Location(f"file://{tmp_path / 'archive'}")
    prepare(location)
    return StateArchive(location, Box(KEY))


def pack(home: Path, *, with_key: bool = False) -> bytes:
    with state_copies.reading(home) as source, state_copies.copied(home, source) as state:
        return b"".join(state_copies.pack(home, state, with_key=with_key))


def put(archive: StateArchive, home: Path, now: float) -> str:
    with state_copies.reading(home) as source:
        return archive.put(home, source, now)


def files(home: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(home)): path for path in home.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "state/dbyard.db"}


class TestCopies:
    def test_have_what_belongs_together(self, home: Path, tmp_path: Path) -> None:
        packed = pack(home)
        state_copies.unpack([packed[:40], packed[40:]], tmp_path / "found")
        assert files(tmp_path / "found") == BESIDE
        assert not list((home / "state").glob(".copy-*"))

    @pytest.mark.parametrize("size", [0, 10, 300, 5000])
    def test_that_are_cut_off_are_damaged(self, home: Path, tmp_path: Path, size: int) -> None:
        with pytest.raises(BackupDamaged):
            state_copies.unpack([pack(home)[:size]], tmp_path / "found")

    @pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "instances/x"])
    def test_write_nothing_else(self, tmp_path: Path, name: str) -> None:
        content = json.dumps({"files": [[name, 1]]}).encode() + b"\nx"
        with pytest.raises(BackupDamaged, match="has no"):
            state_copies.unpack([content], tmp_path / "found")
        assert not (tmp_path / "outside").exists()


class TestInstall:
    def test_completes_an_empty_home(self, home: Path, tmp_path: Path) -> None:
        new = tmp_path / "new"
        state_copies.unpack([pack(home, with_key=True)], new / ".restoring")
        assert state_copies.install(new, new / ".restoring", NOW) is None
        assert files(new) == BESIDE | {"master.key": KEY}
        assert (new / "master.key").stat().st_mode & 0o777 == 0o600

    def test_that_is_killed_is_ended_by_the_same_call(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At any of its renames: until the last one there is no state, and so nothing is served."""
        packed, rename = pack(home, with_key=True), Path.rename
        for last in range(1, 10):
            new, done = tmp_path / f"new-{last}", 0

            def die(path: Path, target: Path, into: Path = new, left: int = last) -> Path:
                nonlocal done
                done += path.parent == into / ".restoring"
                if done == left:
                    raise KeyboardInterrupt
                return rename(path, target)

            state_copies.unpack([packed], new / ".restoring")
            with monkeypatch.context() as patch:
                patch.setattr(Path, "rename", die)
                try:
                    state_copies.install(new, new / ".restoring", NOW)
                except KeyboardInterrupt:
                    assert not (new / "state").exists()
                else:
                    assert last == 5  # the key, the authority, the token and the state
                    break
            state_copies.unpack([packed], new / ".restoring")
            state_copies.install(new, new / ".restoring", NOW)
            assert files(new) == BESIDE | {"master.key": KEY}

    def test_keeps_what_was_there(self, home: Path) -> None:
        state_copies.unpack([pack(home)], home / ".restoring")
        (home / "ca" / "ca.key").write_bytes(b"of servers that run")
        aside = state_copies.install(home, home / ".restoring", NOW)
        assert aside == home / "state.before-20261128T120000Z"
        assert (aside / "dbyard.db").exists()
        assert (home / "ca" / "ca.key").read_bytes() == b"of servers that run"

    def test_refuses_another_key(self, home: Path) -> None:
        state_copies.unpack([pack(home, with_key=True)], home / ".restoring")
        (home / "master.key").write_bytes(bytes(31) + b"x")
        with pytest.raises(ConfigError, match="another master key"):
            state_copies.install(home, home / ".restoring", NOW)
        assert (home / "state" / "dbyard.db").exists()

    def test_needs_a_key(self, home: Path, tmp_path: Path) -> None:
        state_copies.unpack([pack(home)], tmp_path / "new" / ".restoring")
        with pytest.raises(ConfigError, match="dbyard key import"):
            state_copies.install(tmp_path / "new", tmp_path / "new" / ".restoring", NOW)


class TestArchive:
    def test_keeps_the_newest(self, archive: StateArchive, home: Path, tmp_path: Path) -> None:
        made = [put(archive, home, NOW + number * DAY) for number in range(9)]
        assert archive.list() == made[2:]
        assert archive.last_at(NOW + 9 * DAY) == NOW + 8 * DAY
        archive.get(made[-1], tmp_path / "found")
        assert files(tmp_path / "found") == BESIDE

    def test_does_not_believe_a_clock_that_was_wrong(self, archive: StateArchive, home: Path) -> None:
        put(archive, home, NOW)
        put(archive, home, NOW + 300 * DAY)
        assert archive.last_at(NOW) == NOW

    def test_may_be_shared_by_platforms(self, archive: StateArchive, home: Path) -> None:
        other = StateArchive(archive.location, Box(bytes(31) + b"x"))
        name = put(archive, home, NOW)
        assert other.list() == []
        with pytest.raises(BackupDamaged):
            other.get(name, home.parent / "found")

    def test_names_what_is_damaged(self, archive: StateArchive, home: Path, tmp_path: Path) -> None:
        name = put(archive, home, NOW)
        path = archive.location.directory / name
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(BackupDamaged, match=name):
            archive.get(name, tmp_path / "found")

    def test_removes_what_a_kill_left(self, archive: StateArchive, home: Path) -> None:
        left = home / "state" / ".copy-x"
        left.touch()
        put(archive, home, NOW)
        assert left.exists()  # it may be another process's
        shutil.copystat("/bin/sh", left)  # older than an hour
        put(archive, home, NOW)
        assert not left.exists()
