"""The end of a log: whole lines, whatever their length, and never more than is asked for. Whether files changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.model import MIB
from dbyard.runtimes.local import directories


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


class TestTail:
    @pytest.mark.parametrize("length", [0, 1, 510, 511, 512, 513, 600, 5000, 100_000])
    @pytest.mark.parametrize("lines", [1, 3])
    def test_has_no_line_cut_in_front(self, log: Path, length: int, lines: int) -> None:
        written = [f"{number}:{'x' * length}" for number in range(10)]
        log.write_text("".join(f"{line}\n" for line in written))
        assert directories.tail(log, lines) == written[-lines:]
        assert directories.tail(log, 100) == written

    def test_a_line_in_two_bytes_a_letter(self, log: Path) -> None:
        log.write_text("é" * 700 + "\n" + "ü" * 700 + "\n")
        assert directories.tail(log, 1) == ["ü" * 700]

    def test_what_ends_a_line_for_others_ends_none_here(self, log: Path) -> None:
        log.write_bytes("a\u2028b\x85c\x0bd\r\n".encode())
        assert directories.tail(log, 5) == ["a\u2028b\x85c\x0bd"]

    def test_of_one_endless_line_nothing_is_told(self, log: Path) -> None:
        log.write_bytes(b"x" * (40 * MIB))
        assert directories.tail(log, 1) == []

    def test_of_nothing(self, log: Path) -> None:
        assert directories.tail(log, 5) == []
        log.touch()
        assert directories.tail(log, 5) == []

    @given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=900)))
    def test_any_text(self, tmp_path_factory: pytest.TempPathFactory, written: list[str]) -> None:
        log = tmp_path_factory.mktemp("log") / "server.log"
        log.write_bytes("".join(f"{line}\n" for line in written).encode())
        for lines in (1, 2, 1000):
            assert directories.tail(log, lines) == written[-lines:]


def test_a_log_that_was_trimmed_begins_with_a_whole_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "LOG_BYTES", 1000)
    monkeypatch.setattr(directories, "LOG_KEPT_BYTES", 95)
    written = [f"line {number:05}" for number in range(1000)]
    log.write_text("".join(f"{line}\n" for line in written))
    directories.trim_log(log)
    assert log.read_text().splitlines() == written[-8:]


class TestDataState:
    def test_changes_whenever_a_file_does(self, tmp_path: Path) -> None:
        states = [directories.data_state(tmp_path)]
        changes: tuple[Callable[[], object], ...] = (
            lambda: (tmp_path / "1").write_bytes(b"a"),
            lambda: (tmp_path / "1").write_bytes(b"ab"),
            lambda: os.utime(tmp_path / "1", (0, 0)),
            lambda: (tmp_path / "1").rename(tmp_path / "2"),
        )
        for change in changes:
            change()
            states.append(directories.data_state(tmp_path))
            assert directories.data_state(tmp_path) == states[-1]
        assert len(set(states)) == len(states)

    def test_of_what_a_server_put_in_its_place_is_not_told(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/")
        os.mkfifo(tmp_path / "pipe")
        for name in ("none", "link", "pipe"):
            assert directories.data_state(tmp_path / name) == ""
        (tmp_path / "within").mkdir()
        (tmp_path / "within" / "link").symlink_to("/dev/zero")
        assert directories.data_state(tmp_path / "within")
