"""Control groups: limits that hold, members that are found, groups that go away."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard.errors import TemporaryError
from dbyard.model import MIB, JobSpec, Release
from dbyard.runtimes.local import cgroups
from dbyard.runtimes.local.cgroups import Cgroups
from tests.builders import SPEC

GIB = 1024 * MIB


GROUP = f"dbyard-test-{SPEC.id}"


def hierarchies(root: Path, version: int) -> Cgroups:
    """As on a machine of either version, in plain directories."""
    names = ("memory", "cpu", "pids")
    if version == 2:
        return Cgroups(2, dict.fromkeys(names, root), "dbyard-test-")
    for name in names:
        (root / name).mkdir()
    return Cgroups(1, {name: root / name for name in names}, "dbyard-test-")


def written(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in root.rglob("*") if path.is_file()}


class TestLimits:
    def test_of_version_2(self, tmp_path: Path) -> None:
        joins = hierarchies(tmp_path, 2).ensure(SPEC.id, SPEC)
        assert joins == (tmp_path / GROUP / "cgroup.procs",)
        assert written(tmp_path) == {
            "memory.max": str(GIB),
            "cpu.max": "150000 100000",
            "cpu.weight": "37",
            "pids.max": "30",
        }

    def test_of_version_1(self, tmp_path: Path) -> None:
        joins = hierarchies(tmp_path, 1).ensure(SPEC.id, SPEC)
        assert sorted(joins) == [tmp_path / name / GROUP / "tasks" for name in ("cpu", "memory", "pids")]
        assert written(tmp_path) == {
            "memory.limit_in_bytes": str(GIB),
            "cpu.cfs_period_us": "100000",
            "cpu.cfs_quota_us": "150000",
            "cpu.shares": "384",
            "pids.max": "30",
        }

    def test_of_a_job_that_gives_way(self, tmp_path: Path) -> None:
        """It may use what nobody else wants."""
        job = JobSpec("job", SPEC.id, Release("redis", "7", "7.0"), ("true",), memory=GIB, cpu=2.0, pids=5, nice=10)
        hierarchies(tmp_path, 2).ensure("job", job)
        found = written(tmp_path)
        assert (found["cpu.max"], found["cpu.weight"]) == ("200000 100000", "25")


@pytest.fixture
def real() -> Iterator[Cgroups]:
    """The control groups of this machine."""
    found = cgroups.probe(f"test-{os.getpid()}")
    if found is None:
        pytest.skip("no control groups can be made here")
    yield found
    found.remove(SPEC.id)


class TestWeight:
    def test_of_a_server_is_a_quarter_of_a_program(self, real: Cgroups) -> None:
        """It lies beside the other programs of the machine, for each core of its plan."""
        real.ensure(SPEC.id, SPEC)
        name, usual = ("cpu.weight", 100) if real.version == 2 else ("cpu.shares", 1024)
        group = real.group("cpu", SPEC.id)
        assert group is not None
        assert group.parent == real.roots["cpu"]
        assert int((group / name).read_text()) == int(SPEC.cpu * usual / 4)


@pytest.fixture
def member(real: Cgroups) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the group, as the sandbox's shell puts it there."""
    joins = " && ".join(f"echo 0 > {path}" for path in real.ensure(SPEC.id, SPEC))
    with subprocess.Popen(["/bin/sh", "-c", f"{joins} && echo joined && exec sleep 1000"], stdout=-1) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"joined\n"
        yield program
        program.kill()


class TestReal:
    def test_again_changes_limits_in_place(self, real: Cgroups) -> None:
        assert real.ensure(SPEC.id, SPEC) == real.ensure(SPEC.id, SPEC)

    def test_finds_its_members(self, real: Cgroups, member: subprocess.Popen[bytes]) -> None:
        assert real.members(SPEC.id) == [member.pid]

    def test_of_nobody_has_no_members(self, real: Cgroups) -> None:
        assert real.members("nobody") == []

    def test_goes_away_and_again(self, real: Cgroups) -> None:
        groups = [path.parent for path in real.ensure(SPEC.id, SPEC)]
        real.remove(SPEC.id)
        real.remove(SPEC.id)
        assert [group for group in groups if group.exists()] == []

    def test_does_not_go_while_somebody_is_in_it(
        self, real: Cgroups, member: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cgroups, "_LEAVING_SECONDS", 0.05)
        with pytest.raises(TemporaryError, match="do not end"):
            real.remove(SPEC.id)
        member.kill()
        monkeypatch.setattr(cgroups, "_LEAVING_SECONDS", 10)
        real.remove(SPEC.id)

    def test_kills_who_wants_more_memory(self, real: Cgroups) -> None:
        if "memory" not in real.roots:
            pytest.skip("memory is not limited here")
        joins = " && ".join(f"echo 0 > {path}" for path in real.ensure(SPEC.id, replace(SPEC, memory=64 * MIB)))
        greedy = "exec /usr/bin/python3 -c 'bytearray(512 * 1024 * 1024)'"
        done = subprocess.run(["/bin/sh", "-c", f"{joins} && {greedy}"], check=False, timeout=60)
        assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(os.geteuid() == 0, reason="root has control groups")
def test_without_root_there_are_none() -> None:
    assert cgroups.probe("test-cgroups") is None
