"""The promises of a runtime, held against real processes of this machine."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard.errors import StaleGeneration, TemporaryError
from dbyard.model import Command, ExitStatus, InstanceState, Release
from dbyard.runtimes import PortTaken
from dbyard.runtimes.local import LocalRuntime, directories, members, ports, processes, slots, spawn
from dbyard.runtimes.local.slots import Slot
from tests import strangers
from tests.ports import RUNTIME, own
from tests.runtimes.conftest import Server, place

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
Open = Callable[..., LocalRuntime]
PORT = own(RUNTIME).start


def answers(server: Server) -> bool:
    return processes.wait_until(server.accepts, 10)


def pid_of(server: Server) -> int:
    record = json.loads((directory(server) / "process.json").read_text())
    return int(record["pid"])


def end_of(server: Server) -> ExitStatus:
    """Once it has ended."""
    assert processes.wait_until(lambda: server.state is InstanceState.STOPPED, 10)
    found = server.runtime.status(server.id).exit
    assert found is not None
    return found


def directory(server: Server) -> Path:
    return server.directory


def is_open(slot: Slot) -> bool:
    with socket.socket() as client:
        return client.connect_ex((slot.host, slot.port)) == 0


def claimed(runtime: LocalRuntime) -> set[int]:
    claims = ports.claims_directory().glob("[0-9]*")
    return {int(path.name) for path in claims if runtime._home.ports._owner(int(path.name)) == str(runtime._home.path)}


class TestPlace:
    def test_tells_the_same_placement_again(self, server: Server) -> None:
        assert server.runtime.allocate(server.id, 1, server.release) == server.allocation

    def test_gives_every_instance_another_port_and_seed(self, runtime: LocalRuntime, program: Release) -> None:
        servers = [place(runtime, program) for _ in range(5)]
        assert len({server.layout.port for server in servers}) == 5
        assert len({server.allocation.lineage for server in servers}) == 5

    @as_root
    def test_gives_the_directory_to_a_uid_of_its_own(self, server: Server) -> None:
        data = directory(server) / "data"
        assert data.stat().st_uid == server.slot.uid == slots.UID_BASE + server.slot.port
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert stat.S_IMODE(directory(server).stat().st_mode) == 0o711

    def test_takes_no_port_that_another_home_has(self, open_runtime: Open, home: Path, program: Release) -> None:
        four = (PORT, PORT + 3)
        first, second = open_runtime(home / "a", four), open_runtime(home / "b", four)
        taken = {place(first, program).layout.port, place(second, program).layout.port}
        assert taken == {PORT, PORT + 2}
        with pytest.raises(TemporaryError, match="no free port"):
            place(second, program)

    def test_takes_no_port_on_which_somebody_listens(self, open_runtime: Open, program: Release) -> None:
        with socket.create_server(("127.0.0.1", PORT)):
            assert place(open_runtime(ports=(PORT, PORT + 3)), program).layout.port == PORT + 2

    def test_takes_over_the_port_of_a_home_that_is_gone(self, open_runtime: Open, program: Release) -> None:
        runtime = open_runtime(ports=(PORT, PORT + 1))
        claims = ports.claims_directory()
        claims.mkdir(parents=True, exist_ok=True)
        (claims / str(PORT)).write_text(json.dumps({"home": "/nonexistent", "pid": 1}))
        assert place(runtime, program).layout.port == PORT

    def test_gives_back_what_it_claimed_and_could_not_write_down(
        self, runtime: LocalRuntime, program: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no space")

        before = claimed(runtime)
        with monkeypatch.context() as patch:
            patch.setattr(slots, "write", full)
            with pytest.raises(OSError, match="no space"):
                place(runtime, program)
        assert claimed(runtime) == before
        assert not list((runtime._home.path / "instances").iterdir())

    def test_gives_back_what_it_claimed_before_it_was_killed(self, runtime: LocalRuntime, open_runtime: Open) -> None:
        with runtime._home.ports.locked():
            port = runtime._home.ports.claim(lambda _: True)
        assert port in claimed(runtime)
        assert port not in claimed(open_runtime())


class TestEnsure:
    def test_starts_a_server_that_answers(self, server: Server) -> None:
        server.start()
        assert answers(server)
        assert server.state is InstanceState.RUNNING

    def test_again_changes_nothing(self, server: Server) -> None:
        server.start()
        first = pid_of(server)
        server.start()
        assert pid_of(server) == first

    def test_of_another_runtime_adopts_the_server(self, server: Server, open_runtime: Open) -> None:
        server.start()
        first = pid_of(server)
        later = replace(server, runtime=open_runtime())
        later.start()
        assert pid_of(later) == first
        assert later.state is InstanceState.RUNNING

    def test_adopts_a_server_whose_pid_was_never_recorded(self, server: Server, open_runtime: Open) -> None:
        server.start()
        first = pid_of(server)
        record = directory(server) / "process.json"
        ahead = {name: value for name, value in json.loads(record.read_text()).items() if "pid" not in name}
        record.write_text(json.dumps({name: ahead[name] for name in ("argv", "stop_signal", "stop_grace")}))
        later = open_runtime()
        assert later.status(server.id).state is InstanceState.RUNNING
        replace(server, runtime=later).stop()
        assert processes.read(first) is None

    def test_never_takes_a_stranger_for_the_server(self, server: Server, open_runtime: Open) -> None:
        server.start()
        server.stop()
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
            found = processes.read(stranger.pid)
            assert found is not None
            record = directory(server) / "process.json"
            lie = json.loads(record.read_text()) | {"pid": found.pid, "start_time": found.start_time}
            record.write_text(json.dumps(lie))
            later = open_runtime()
            assert later.status(server.id).state is InstanceState.STOPPED
            replace(server, runtime=later).stop()
            later.destroy(server.id, 2)
            assert processes.is_alive(found)
            stranger.communicate()

    def test_refuses_a_port_that_somebody_took(self, server: Server) -> None:
        with (
            socket.create_server((server.layout.host, server.layout.port)),
            pytest.raises(PortTaken, match=str(server.layout.port)),
        ):
            server.start()
        server.start()
        assert answers(server)

    def test_runs_the_init_commands_once(self, server: Server) -> None:
        note = directory(server) / "data" / "note"
        init = (Command(("/bin/sh", "-c", f"cat >> {note}"), stdin="made\n"),)
        server.start(init=init)
        server.stop()
        server.start(init=init)
        assert note.read_text() == "made\n"

    def test_starts_over_after_init_was_killed(self, server: Server) -> None:
        data = directory(server) / "data"
        half = Command(("/bin/sh", "-c", f"touch {data}/half && exit 3"))
        with pytest.raises(TemporaryError, match="exit code 3"):
            server.start(init=(half,))
        server.start(init=(Command(("/bin/sh", "-c", f"test ! -e {data}/half && touch {data}/whole")),))
        assert [path.name for path in data.iterdir()] == ["whole"]

    @pytest.mark.parametrize("sandboxed", [True, False])
    def test_names_the_uid_of_init_commands(self, open_runtime: Open, program: Release, sandboxed: bool) -> None:
        if not sandboxed and strangers.CLOSED:
            pytest.skip("on this machine only root may pass /")
        server = place(open_runtime(sandboxed=sandboxed), program)
        note = directory(server) / "data" / "note"
        server.start(init=(Command(("/bin/sh", "-c", f"id -un > {note}")),))
        assert answers(server)
        assert note.read_text().strip().isalpha()
        assert note.stat().st_uid == server.slot.uid

    def test_refuses_an_older_generation(self, server: Server) -> None:
        server.runtime.destroy(server.id, 2)
        with pytest.raises(StaleGeneration):
            server.start(generation=1)
        with pytest.raises(StaleGeneration):
            server.runtime.allocate(server.id, 1, server.release)
        assert server.state is InstanceState.ABSENT

    @as_root
    def test_holds_the_server_in_its_sandbox(self, server: Server) -> None:
        neighbour = place(server.runtime, server.release)
        secret = directory(server).parent.parent / "secret"
        secret.write_text("for root")
        report = directory(server) / "data" / "report"
        conf, others = directory(server) / "conf", directory(server).parent
        look = f"id -u; cat {secret}; echo x > {conf}/x; ls {others}"
        server.start(init=(Command(("/bin/sh", "-c", f"({look}) > {report} 2>&1; true")),))
        lines = report.read_text().splitlines()
        assert lines[0] == str(server.slot.uid)
        assert "for root" not in lines
        assert neighbour.id not in report.read_text()
        assert not (conf / "x").exists()

    @as_root
    def test_does_not_wait_for_a_sandbox_that_was_killed_halfway(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its first process is gone, and the second holds the pipe open in which the first tells of it."""
        halfway = tmp_path / "bwrap"
        halfway.write_text("#!/bin/sh\nsleep 1000 &\nkill -9 $$\n")
        halfway.chmod(0o755)
        monkeypatch.setattr(spawn, "_START_SECONDS", 0.2)
        with monkeypatch.context() as patch:
            patch.setattr(server.runtime._home, "bubblewrap", halfway)
            with pytest.raises(TemporaryError, match="ended while it was started"):
                server.start()
        monkeypatch.undo()
        server.start()
        assert answers(server)


class TestWatch:
    def test_tells_of_a_death(self, server: Server) -> None:
        ended: list[str] = []
        told = threading.Event()

        def on_exit(instance_id: str) -> None:
            ended.append(instance_id)
            told.set()

        server.runtime.watch(on_exit)
        server.start()
        os.kill(pid_of(server), signal.SIGKILL)
        assert told.wait(10)
        assert ended == [server.id]
        assert server.state is InstanceState.STOPPED

    def test_leaves_no_zombie(self, server: Server) -> None:
        server.runtime.watch(lambda _: None)
        server.start(CHILD="1")
        pid = pid_of(server)
        os.kill(pid, signal.SIGKILL)
        assert processes.wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10)
        server.start()
        assert answers(server)


class TestExit:
    @pytest.mark.parametrize("sandboxed", [True, False])
    def test_is_an_exit_code_or_a_signal(self, open_runtime: Open, program: Release, sandboxed: bool) -> None:
        if not sandboxed and strangers.CLOSED:
            pytest.skip("on this machine only root may pass /")
        server = place(open_runtime(sandboxed=sandboxed), program)
        server.runtime.watch(lambda _: None)
        server.start()
        assert answers(server)
        os.kill(pid_of(server), signal.SIGKILL)
        assert end_of(server) == ExitStatus(-signal.SIGKILL, memory_kill=False)
        server.start(EXIT="3")
        assert answers(server)
        assert end_of(server) == ExitStatus(3, memory_kill=False)

    @as_root
    def test_is_told_from_the_one_before(self, server: Server) -> None:
        """The group of an instance counts on over its servers."""
        if "cgroup" not in server.runtime.host.limits()["memory"]:
            pytest.skip("memory is not limited here")
        server.runtime.watch(lambda _: None)
        server.start(GREEDY="1")
        assert answers(server)
        assert end_of(server) == ExitStatus(-signal.SIGKILL, memory_kill=True)
        server.start()
        assert answers(server)
        os.kill(pid_of(server), signal.SIGKILL)
        assert end_of(server) == ExitStatus(-signal.SIGKILL, memory_kill=False)

    def test_of_a_server_that_was_adopted_is_not_told(
        self, server: Server, open_runtime: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever started it is its parent, or was."""
        server.start()
        assert answers(server)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        other = replace(server, runtime=open_runtime())
        assert other.state is InstanceState.RUNNING
        os.kill(pid_of(server), signal.SIGKILL)
        assert end_of(other) == ExitStatus(None, memory_kill=False)


class TestStop:
    def test_ends_the_server_and_its_children(self, server: Server) -> None:
        server.start(CHILD="1")
        assert answers(server)
        server.stop()
        assert server.state is InstanceState.STOPPED
        assert not server.accepts()
        assert not members.list_members(server.runtime._home, server.id)

    def test_goes_on_where_the_machine_lost_its_power_while_it_was_asked(self, server: Server) -> None:
        server.start()
        assert answers(server)
        (directory(server) / "stopping.json").touch()
        server.stop()
        assert not server.accepts()
        server.start()
        assert answers(server)

    def test_forces_a_server_that_does_not_listen(self, server: Server) -> None:
        server.start(DEAF="1")
        assert answers(server)
        server.stop()
        assert not server.accepts()

    def test_again_changes_nothing(self, server: Server) -> None:
        server.stop()
        server.stop()
        assert server.state is InstanceState.STOPPED


class TestDestroy:
    def test_leaves_nothing(self, server: Server) -> None:
        server.start(CHILD="1")
        where, slot = directory(server), server.slot
        server.runtime.destroy(server.id, 2)
        assert server.state is InstanceState.ABSENT
        assert not where.exists()
        assert not list((where.parent.parent / "trash").iterdir())
        assert not is_open(slot)
        assert not (ports.claims_directory() / str(slot.port)).exists()
        if os.geteuid() == 0:
            assert not processes.list_of_uid(slot.uid)

    def test_again_changes_nothing(self, server: Server) -> None:
        server.runtime.destroy(server.id, 2)
        server.runtime.destroy(server.id, 2)
        assert server.state is InstanceState.ABSENT

    def test_goes_on_where_it_was_killed(self, server: Server, open_runtime: Open) -> None:
        where, slot = directory(server), server.slot
        where.rename(where.parent.parent / "trash" / server.id)
        open_runtime()
        assert not list((where.parent.parent / "trash").iterdir())
        assert not (ports.claims_directory() / str(slot.port)).exists()


class TestSpares:
    def prepare(self, runtime: LocalRuntime, program: Release) -> Server:
        spare_id, allocation = runtime.spares.new_spare()
        spare = Server(runtime, spare_id, allocation, program)
        note = directory(spare) / "data" / "note"
        init = (Command(("/bin/sh", "-c", f"echo prepared > {note}")),)
        runtime.spares.prepare(spare.spec(init=init), allocation.placement, program)
        return spare

    def test_is_claimed_with_its_placement_and_data(self, runtime: LocalRuntime, program: Release) -> None:
        spare = self.prepare(runtime, program)
        assert runtime.spares.count(program) == 1
        instance = place(runtime, program)
        assert runtime.spares.count(program) == 0
        assert instance.allocation == spare.allocation
        instance.start(init=(Command(("/bin/false",)),))
        assert answers(instance)
        assert (directory(instance) / "data" / "note").read_text() == "prepared\n"

    @as_root
    def test_leaves_no_control_group(self, runtime: LocalRuntime, program: Release) -> None:
        spare = self.prepare(runtime, program)
        cgroups = runtime._home.cgroups
        if cgroups is None:
            pytest.skip("no control groups here")
        assert not [group for group in cgroups._groups(spare.id) if group.exists()]

    def test_is_claimed_by_one_only(self, runtime: LocalRuntime, program: Release) -> None:
        for _ in range(3):
            self.prepare(runtime, program)
        servers: list[Server] = []
        threads = [threading.Thread(target=lambda: servers.append(place(runtime, program))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({server.layout.port for server in servers}) == 8
        assert runtime.spares.count(program) == 0

    def test_is_discarded_when_it_was_left_unfinished(self, runtime: LocalRuntime, open_runtime: Open) -> None:
        before = claimed(runtime)
        runtime.spares.new_spare()
        later = open_runtime()
        assert not list((later._home.path / "spares").iterdir())
        assert claimed(later) == before

    def test_of_another_version_is_left_alone(self, runtime: LocalRuntime, program: Release) -> None:
        self.prepare(runtime, program)
        other = Release("echo", "2", "2.0")
        place(runtime, other)
        assert runtime.spares.count(program) == 1


class TestLogs:
    def test_tells_the_last_lines(self, server: Server) -> None:
        server.start()
        assert processes.wait_until(lambda: "listening" in server.runtime.logs(server.id, 5), 10)

    @pytest.mark.parametrize("log", ["log/server.log", "output.log"])
    def test_keeps_the_end_of_a_log_that_is_too_large(self, server: Server, log: str) -> None:
        path, state = directory(server) / log, server.runtime.log_state(server.id)
        with open(path, "wb") as file:
            file.truncate(directories.LOG_BYTES)
        server.runtime.host.trim_logs()
        assert path.stat().st_size == directories.LOG_BYTES
        assert server.runtime.log_state(server.id) != state
        with open(path, "ab") as file:
            file.write(b"the end\n")
        server.runtime.host.trim_logs()
        assert path.stat().st_size == directories.LOG_KEPT_BYTES
        assert server.runtime.logs(server.id, 1)[0].endswith("the end")

    def test_follows_no_link(self, server: Server, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("for root\n")
        (directory(server) / "log" / "server.log").symlink_to(tmp_path / "secret")
        assert server.runtime.logs(server.id, 5) == []
