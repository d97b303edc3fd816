"""Processes as the kernel tells them: who is alive, who is the same, who has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from dbyard.runtimes.local import processes
from tests.strangers import needs_open_root

Start = Callable[..., "subprocess.Popen[bytes]"]

# Its first thread ends and another one goes on, as in a server that is being killed.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
print("started", flush=True)
ctypes.CDLL(None).syscall({exit_thread}, 0)
"""
UID = 300_000 + os.getpid()
"""Of nobody else: no server has one so high."""
EXIT_THREAD = {"x86_64": 60, "aarch64": 93}


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a Python program; in the end it is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str = "input()", **options: object) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", program]
        made = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]
        started.append(made)
        return made  # type: ignore[no-any-return]

    yield start
    for program in started:
        with program:
            program.kill()


def first_line(program: subprocess.Popen[bytes]) -> bytes:
    assert program.stdout is not None
    return program.stdout.readline()


def is_zombie(pid: int) -> bool:
    return processes._stat(pid)[0] == "Z"


class TestRead:
    def test_knows_itself(self) -> None:
        found = processes.read(os.getpid())
        assert found is not None
        assert found.pid == os.getpid()
        assert found.argv == tuple(sys.orig_argv)

    def test_finds_nobody_behind_a_pid_of_nobody(self) -> None:
        assert processes.read(4_194_305) is None

    def test_keeps_odd_arguments_apart(self, start: Start) -> None:
        program = subprocess.Popen([sys.executable, "-c", "input()", "a b", "", "ä\n)"], stdin=subprocess.PIPE)
        with program:
            wanted = (sys.executable, "-c", "input()", "a b", "", "ä\n)")

            def is_there() -> bool:
                found = processes.read(program.pid)
                return found is not None and found.argv == wanted

            assert processes.wait_until(is_there, 10)
            program.kill()

    def test_takes_a_zombie_for_dead(self, start: Start) -> None:
        program = start("")
        assert processes.wait_until(lambda: is_zombie(program.pid), 10)
        assert processes.read(program.pid) is None

    def test_takes_a_zombie_whose_threads_live_for_alive(self, start: Start) -> None:
        program = start(HEADLESS.format(exit_thread=EXIT_THREAD[os.uname().machine]))
        first_line(program)
        assert processes.wait_until(lambda: is_zombie(program.pid), 10)
        found = processes.read(program.pid)
        assert found is not None
        program.kill()
        assert processes.wait_until(lambda: not processes.is_alive(found), 10)


class TestIsAlive:
    def test_is_not_fooled_by_a_pid_used_again(self, start: Start) -> None:
        found = processes.read(start().pid)
        assert found is not None
        assert processes.is_alive(found)
        assert not processes.is_alive(processes.Process(found.pid, found.start_time - 1, found.argv))


class TestOpenPidfd:
    def test_gives_no_handle_on_another_process_with_the_pid(self, start: Start) -> None:
        found = processes.read(start().pid)
        assert found is not None
        with processes.open_pidfd(found) as fd:
            assert fd is not None
        with processes.open_pidfd(processes.Process(found.pid, found.start_time + 1, found.argv)) as fd:
            assert fd is None


class TestSend:
    def test_ends_a_process_that_listens(self, start: Start) -> None:
        program = start()
        found = processes.read(program.pid)
        assert found is not None
        processes.send(found, signal.SIGTERM)
        assert program.wait(10) == -signal.SIGTERM

    def test_leaves_another_process_with_the_pid_alone(self, start: Start) -> None:
        program = start()
        found = processes.read(program.pid)
        assert found is not None
        processes.send(processes.Process(found.pid, found.start_time + 1, found.argv), signal.SIGKILL)
        assert processes.is_alive(found)

    def test_of_a_dead_one_changes_nothing(self, start: Start) -> None:
        program = start()
        found = processes.read(program.pid)
        assert found is not None
        program.kill()
        program.wait()
        processes.send(found, signal.SIGTERM)


class TestLists:
    def test_of_marked_processes(self, start: Start) -> None:
        prefix = f"/a home {os.getpid()}:"
        marked = start(env={**os.environ, "MARK": f"{prefix}1"})
        other = start(env={**os.environ, "MARK": f"{prefix}10"})
        assert processes.wait_until(lambda: processes.list_marked(f"MARK={prefix}1") == [marked.pid], 10)
        assert other.pid not in processes.list_marked(f"MARK={prefix}1")
        assert set(processes.list_marked_like(f"MARK={prefix}")) == {marked.pid, other.pid}

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    @needs_open_root
    def test_of_a_uid(self, start: Start) -> None:
        program = start("print('started', flush=True); input()", user=UID, cwd="/", executable="/usr/bin/python3")
        first_line(program)
        assert processes.list_of_uid(UID) == [program.pid]
        program.kill()
        assert processes.wait_until(lambda: processes.list_of_uid(UID) == [], 10)


class TestReapOrphans:
    def test_collects_what_nobody_awaits(self, start: Start) -> None:
        mine, left = start(""), os.posix_spawn("/bin/true", ["true"], {})
        assert processes.wait_until(lambda: is_zombie(mine.pid) and is_zombie(left), 10)
        processes.reap_orphans(lambda pid: pid == mine.pid)
        assert not os.path.exists(f"/proc/{left}")
        assert mine.wait(10) == 0


class TestWaitUntil:
    def test_gives_up(self) -> None:
        assert not processes.wait_until(lambda: False, 0)

    def test_looks_once_even_without_time(self) -> None:
        assert processes.wait_until(lambda: True, 0)
