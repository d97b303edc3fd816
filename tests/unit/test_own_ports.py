"""Programs that may listen on their own ports only."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dbyard.runtimes.local import own_ports

LISTEN = "import socket, sys; socket.create_server(('127.0.0.1', int(sys.argv[1]))).close()"

needs_landlock = pytest.mark.skipif(not own_ports.is_held(None), reason="the kernel has no rules for ports")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@needs_landlock
class TestStartHeld:
    def listen(self, port: int, *, of: set[int]) -> int:
        argv = [sys.executable, "-I", "-c", LISTEN, str(port)]
        return own_ports.start_held(of, lambda: subprocess.run(argv, capture_output=True)).returncode

    def test_its_own_port_and_no_other(self) -> None:
        port, other = free_port(), free_port()
        assert self.listen(port, of={port}) == 0
        assert self.listen(other, of={port}) != 0
        assert self.listen(0, of=set()) != 0

    def test_the_caller_is_held_by_nothing(self) -> None:
        self.listen(free_port(), of=set())
        assert free_port()

    def test_raises_what_the_start_raises(self) -> None:
        with pytest.raises(FileNotFoundError):
            own_ports.start_held(set(), lambda: subprocess.run(["/nowhere"], check=True))


def test_not_under_a_set_uid_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bwrap"
    program.touch()
    program.chmod(0o4755)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert not own_ports.is_held(program)
