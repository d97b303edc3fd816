"""What the local runtime tells of an instance: its disk, its memory, its processor time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbyard.model import MIB
from dbyard.runtimes.local import LocalRuntime, cgroups, processes, usage
from tests.runtimes.conftest import Server


class TestDisk:
    def test_counts_blocks_and_not_lengths(self, tmp_path: Path) -> None:
        with (tmp_path / "sparse").open("wb") as file:
            file.truncate(64 * MIB)
        (tmp_path / "deep" / "er").mkdir(parents=True)
        (tmp_path / "deep" / "er" / "full").write_bytes(os.urandom(MIB))
        assert MIB <= usage.disk(tmp_path) < 2 * MIB

    def test_counts_a_file_once_and_follows_no_link(self, tmp_path: Path) -> None:
        inside = tmp_path / "inside"
        inside.mkdir()
        (tmp_path / "outside").write_bytes(os.urandom(4 * MIB))
        (inside / "file").write_bytes(os.urandom(MIB))
        (inside / "hard").hardlink_to(inside / "file")
        (inside / "soft").symlink_to(tmp_path / "outside")
        (inside / "up").symlink_to(tmp_path)
        assert MIB <= usage.disk(inside) < 2 * MIB

    def test_of_nothing(self, tmp_path: Path) -> None:
        assert usage.disk(tmp_path / "missing") == 0

    def test_of_an_instance(self, runtime: LocalRuntime, server: Server) -> None:
        before = runtime.disk_used(server.id)
        layout = server.layout
        (layout.data / "file").write_bytes(os.urandom(MIB))
        (layout.log / "file").write_bytes(os.urandom(MIB))
        assert 2 * MIB <= runtime.disk_used(server.id) - before < 3 * MIB

    def test_space_of_the_machine(self, runtime: LocalRuntime) -> None:
        space = runtime.host.space()
        assert 0 < space.free < space.total


class TestUsage:
    def test_of_a_running_server(self, runtime: LocalRuntime, server: Server) -> None:
        server.start()
        assert processes.wait_until(lambda: (runtime.usage(server.id).memory or 0) > MIB, 10)
        used = runtime.usage(server.id)
        assert used.cpu_seconds is not None
        assert used.cpu_seconds > 0
        assert used.memory is not None
        assert used.memory < 64 * MIB

    def test_of_one_that_does_not_run(self, runtime: LocalRuntime, server: Server) -> None:
        used = runtime.usage(server.id)
        assert not used.memory
        assert not used.cpu_seconds

    def test_by_processes_where_there_are_no_control_groups(
        self, monkeypatch: pytest.MonkeyPatch, runtime: LocalRuntime, server: Server
    ) -> None:
        monkeypatch.setattr(runtime._home, "cgroups", None)
        server.start()
        assert processes.wait_until(lambda: (runtime.usage(server.id).memory or 0) > MIB, 10)
        used = runtime.usage(server.id)
        assert used.cpu_seconds is not None


@pytest.fixture
def groups(tmp_path: Path) -> cgroups.Cgroups:
    """As version 2 has them, in plain files."""
    group = tmp_path / "dbyard-test-i1"
    group.mkdir()
    (group / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\n")
    (group / "memory.current").write_text(f"{100 * MIB}\n")
    (group / "memory.peak").write_text(f"{120 * MIB}\n")
    (group / "memory.swap.current").write_text("0\n")
    (group / "memory.stat").write_text(f"anon {30 * MIB}\ninactive_file {50 * MIB}\nactive_file {10 * MIB}\n")
    return cgroups.Cgroups(2, dict.fromkeys(("memory", "cpu", "pids"), tmp_path), "dbyard-test-")


def test_version_2_counts_no_cache_that_can_go(groups: cgroups.Cgroups) -> None:
    used = usage.by_cgroup(groups, "i1")
    assert (used.cpu_seconds, used.memory, used.memory_peak, used.swap) == (1.5, 40 * MIB, 120 * MIB, 0)


def test_what_the_kernel_does_not_tell_is_not_made_up(groups: cgroups.Cgroups) -> None:
    used = usage.by_cgroup(groups, "unknown")
    assert (used.cpu_seconds, used.memory, used.memory_peak, used.swap) == (None, None, None, None)
