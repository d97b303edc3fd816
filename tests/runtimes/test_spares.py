"""Spares whose server runs already: it goes on, whoever claims it, and nothing of one is ever lost or left."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard import installations
from dbyard.model import MIB, InstanceState, Release
from dbyard.runtimes import kind_of_spare
from dbyard.runtimes.local import LocalRuntime, members, ports, processes
from dbyard.runtimes.local.processes import Process
from tests.runtimes.conftest import Server, place

PLAN = "echo-starter-64"

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or installations.find_tool("bwrap") is None, reason="needs root and bubblewrap"
)


def directory(server: Server) -> Path:
    return server.runtime._home.directory(server.id)


def make(runtime: LocalRuntime, program: Release) -> Server:
    """A running spare, not offered yet."""
    spare_id, allocation = runtime.spares.new_spare()
    spare = Server(runtime, spare_id, allocation, program)
    spare.start()
    assert processes.wait_until(spare.accepts, 10)
    return spare


@pytest.fixture
def spare(runtime: LocalRuntime, program: Release) -> Server:
    made = make(runtime, program)
    runtime.spares.offer(made.id, kind_of_spare(program, PLAN))
    return made


def process_of(runtime: LocalRuntime, instance_id: str) -> Process:
    found = members.find(runtime._home, instance_id, members.SERVER)
    assert found is not None
    return found


def groups(runtime: LocalRuntime, spare: Server) -> list[Path]:
    held = runtime._home.cgroups
    return [root / f"{held.prefix}{spare.id}" for root in held.roots.values()] if held else []


class TestClaim:
    def test_takes_the_server_along(self, runtime: LocalRuntime, program: Release, spare: Server) -> None:
        assert [each.alive for each in runtime.spares.list(running=True)] == [True]
        instance = place(runtime, program, plan=PLAN)
        assert instance.allocation == spare.allocation
        assert runtime.status(instance.id).state is InstanceState.RUNNING
        before = process_of(runtime, instance.id)
        instance.start()
        assert process_of(runtime, instance.id) == before
        assert str(directory(spare)) in before.argv[1]
        assert instance.accepts()
        assert runtime.spares.list(running=True) == []

    def test_lets_the_server_write_where_it_was(self, runtime: LocalRuntime, program: Release) -> None:
        """By the paths that it was started with, files of its own and new ones."""
        spare_id, allocation = runtime.spares.new_spare()
        spare = Server(runtime, spare_id, allocation, program)
        spare.start(WRITES="1")
        runtime.spares.offer(spare_id, kind_of_spare(program, PLAN))
        instance = place(runtime, program, plan=PLAN)
        (directory(instance) / "data" / "go").touch()
        assert processes.wait_until((directory(instance) / "data" / "made" / "file").exists, 10)

    def test_is_for_that_plan_only(self, runtime: LocalRuntime, program: Release, spare: Server) -> None:
        for plan in (None, "echo-starter-128"):
            assert place(runtime, program, plan=plan).allocation != spare.allocation
        assert len(runtime.spares.list(running=True)) == 1

    def test_is_not_of_a_server_that_has_died(self, runtime: LocalRuntime, program: Release, spare: Server) -> None:
        kill(runtime, spare)
        assert [each.alive for each in runtime.spares.list(running=True)] == [False]
        assert place(runtime, program, plan=PLAN).allocation != spare.allocation

    def test_survives_that_the_server_dies_right_afterwards(
        self, runtime: LocalRuntime, program: Release, spare: Server
    ) -> None:
        note = place(runtime, program, plan=PLAN)
        (directory(note) / "data" / "note").touch()
        kill(runtime, spare)
        note.start()
        assert processes.wait_until(note.accepts, 10)
        assert (directory(note) / "data" / "note").exists()

    def test_is_by_one_only(self, runtime: LocalRuntime, program: Release, spare: Server) -> None:
        servers: list[Server] = []
        threads = [
            threading.Thread(target=lambda: servers.append(place(runtime, program, plan=PLAN))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [server.allocation for server in servers].count(spare.allocation) == 1
        assert len({server.slot.port for server in servers}) == 4

    def test_is_found_by_another_runtime(
        self, runtime: LocalRuntime, program: Release, spare: Server, open_runtime: Callable[..., LocalRuntime]
    ) -> None:
        """A platform that was killed after the rename, and recorded nothing."""
        instance = place(runtime, program, plan=PLAN)
        later = open_runtime()
        assert later.allocate(instance.id, 1, program, plan=PLAN) == spare.allocation
        assert later.status(instance.id).state is InstanceState.RUNNING
        replace(instance, runtime=later).stop()
        assert not instance.accepts()


class TestClaimed:
    @pytest.fixture
    def instance(self, runtime: LocalRuntime, program: Release, spare: Server) -> Server:
        assert spare.accepts()
        claimed = place(runtime, program, plan=PLAN)
        claimed.start()
        return claimed

    def test_is_watched_by_its_new_name(self, runtime: LocalRuntime, instance: Server) -> None:
        ended: list[str] = []
        runtime.watch(ended.append)
        os.kill(process_of(runtime, instance.id).pid, signal.SIGKILL)
        assert processes.wait_until(lambda: bool(ended), 10)
        assert ended == [instance.id]

    def test_is_counted_and_found_in_its_old_group(
        self, runtime: LocalRuntime, instance: Server, spare: Server
    ) -> None:
        if not groups(runtime, spare):
            pytest.skip("no control groups here")
        used = runtime.usage(instance.id)
        assert used.memory is not None
        assert used.memory > MIB
        assert runtime._home.cgroups is not None
        assert process_of(runtime, instance.id).pid in runtime._home.cgroups.members(instance.id)

    def test_starts_again_in_the_same_group(self, runtime: LocalRuntime, instance: Server, spare: Server) -> None:
        instance.stop()
        assert not instance.accepts()
        instance.start()
        assert processes.wait_until(instance.accepts, 10)
        found = process_of(runtime, instance.id)
        assert str(directory(instance)) in found.argv[1]
        for group in groups(runtime, spare):
            assert str(found.pid) in (group / "cgroup.procs").read_text().split()

    def test_leaves_nothing_when_it_is_destroyed(self, runtime: LocalRuntime, instance: Server, spare: Server) -> None:
        runtime.destroy(instance.id, 2)
        assert not instance.accepts()
        assert not directory(instance).exists()
        assert not [group for group in groups(runtime, spare) if group.exists()]
        assert not (ports.claims_directory() / str(spare.slot.port)).exists()
        assert not processes.list_of_uid(spare.slot.uid)

    def test_goes_on_to_be_destroyed_from_the_trash(
        self, runtime: LocalRuntime, instance: Server, spare: Server, open_runtime: Callable[..., LocalRuntime]
    ) -> None:
        instance.stop()
        directory(instance).rename(directory(instance).parent.parent / "trash" / instance.id)
        open_runtime()
        assert not [group for group in groups(runtime, spare) if group.exists()]

    def test_is_not_discarded_as_a_spare(self, runtime: LocalRuntime, instance: Server, spare: Server) -> None:
        runtime.spares.discard(spare.id)
        assert instance.accepts()


class TestDiscard:
    def test_ends_the_server_and_leaves_nothing(self, runtime: LocalRuntime, spare: Server) -> None:
        runtime.spares.discard(spare.id)
        assert not spare.accepts()
        assert not list((runtime._home.path / "spares").iterdir())
        assert not [group for group in groups(runtime, spare) if group.exists()]
        assert not (ports.claims_directory() / str(spare.slot.port)).exists()

    def test_of_one_that_was_never_offered_is_up_to_the_next_start(
        self, runtime: LocalRuntime, program: Release, open_runtime: Callable[..., LocalRuntime]
    ) -> None:
        spare = make(runtime, program)
        later = open_runtime()
        assert not spare.accepts()
        assert not list((later._home.path / "spares").iterdir())
        assert not [group for group in groups(runtime, spare) if group.exists()]

    def test_is_no_end_that_anybody_is_told_of(self, runtime: LocalRuntime, spare: Server) -> None:
        ended: list[str] = []
        runtime.watch(ended.append)
        runtime.spares.discard(spare.id)
        assert ended == []


def test_without_a_sandbox_there_are_none(open_runtime: Callable[..., LocalRuntime]) -> None:
    assert not open_runtime(sandboxed=False).spares.may_run()


def kill(runtime: LocalRuntime, spare: Server) -> None:
    for pid in processes.list_of_uid(spare.slot.uid):
        os.kill(pid, signal.SIGKILL)

    def gone() -> bool:
        runtime._home.watcher.reap()
        return not processes.list_of_uid(spare.slot.uid)

    assert processes.wait_until(gone, 10)
