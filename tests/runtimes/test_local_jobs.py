"""Jobs as processes of this machine: their sandbox, their secrets, and what a killed platform leaves of them."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from dbyard.archive.locations import Location
from dbyard.archive.stores import prepare
from dbyard.archive.transfer import Order, Receipt
from dbyard.errors import PermanentError
from dbyard.model import MIB, DataAccess, File, JobSpec, JobState, JobStatus, Progress, Transfer
from dbyard.runtimes.local import LocalRuntime, jobs, members, processes, spawn
from tests import strangers
from tests.runtimes.conftest import Server, place

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
Open = Callable[..., LocalRuntime]
WAIT = "while [ ! -e finish ]; do sleep 0.01; done"


def job(server: Server, script: str, **changes: object) -> JobSpec:
    spec = JobSpec(
        id="job-1",
        instance_id=server.id,
        release=server.release,
        argv=("/bin/sh", "-c", script),
        memory=64 * MIB,
        cpu=1.0,
        pids=20,
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def directory(server: Server) -> Path:
    return server.runtime._home.path / "jobs" / "job-1"


def ended(runtime: LocalRuntime) -> JobState:
    assert processes.wait_until(lambda: runtime.job("job-1").state is not JobStatus.RUNNING, 10)
    return runtime.job("job-1")


def run(server: Server, script: str, **changes: object) -> JobState:
    server.runtime.run_job(job(server, script, **changes))
    return ended(server.runtime)


class TestSandbox:
    def test_starts_in_an_empty_directory_of_its_own(self, server: Server) -> None:
        state = run(server, 'echo "$HOME $TMPDIR $(pwd) $(ls -A)" > "$DBYARD_RESULT"')
        work = directory(server) / "work"
        assert state.result.split() == [str(work), str(work), str(work)]

    @as_root
    @pytest.mark.parametrize("connects", [False, True])
    def test_connects_only_when_told_to(self, server: Server, connects: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as neighbour:
            connect = f"import socket; socket.create_connection(('127.0.0.1', {neighbour.getsockname()[1]}), 5)"
            state = run(server, f'/usr/bin/python3 -c "{connect}"', connects=connects)
        assert (state.state is JobStatus.SUCCEEDED) is (connects or server.runtime._home.syscall_filter is None)

    @as_root
    def test_has_the_uid_of_its_instance_and_cannot_write_its_status(self, server: Server) -> None:
        state = run(server, 'id -u > "$DBYARD_RESULT"; echo 0 > ../status; touch ../x; exit 0')
        assert state.result.strip() == str(server.slot.uid)
        assert not (directory(server) / "x").exists()

    @as_root
    @pytest.mark.parametrize(
        ("access", "seen"),
        [(DataAccess.NONE, "hidden"), (DataAccess.READ, "kept"), (DataAccess.WRITE, "kept written")],
    )
    def test_has_the_data_that_it_asks_for(self, server: Server, access: DataAccess, seen: str) -> None:
        data = server.layout.data
        (data / "note").write_text("kept")
        os.chown(data / "note", server.slot.uid, server.slot.uid)
        look = f"(cat {data}/note || printf hidden) 2>&-; (printf ' written' > {data}/new && cat {data}/new) 2>&-"
        assert run(server, f'({look}) > "$DBYARD_RESULT"; exit 0', data=access).result == seen

    def test_has_its_files_for_itself(self, server: Server) -> None:
        file = File(Path("conf/pass"), "a secret\n")
        state = run(server, 'cat conf/pass > "$DBYARD_RESULT"; stat -c %a conf/pass >> "$DBYARD_RESULT"', files=(file,))
        assert state.result == "a secret\n600\n"

    @pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../../x"])
    def test_has_no_file_elsewhere(self, server: Server, path: str) -> None:
        with pytest.raises(PermanentError, match="not below the work directory"):
            server.runtime.run_job(job(server, "true", files=(File(Path(path), ""),)))
        assert server.runtime.job("job-1").state is JobStatus.ABSENT

    def test_has_its_environment(self, server: Server) -> None:
        assert run(server, 'echo "$MINE" > "$DBYARD_RESULT"', env={"MINE": "1"}).result == "1\n"

    @as_root
    def test_has_a_group_with_limits_of_its_own(self, server: Server) -> None:
        if "cgroup" not in server.runtime.host.limits()["memory"]:
            pytest.skip("memory is not limited here")
        greedy = "exec /usr/bin/python3 -c 'bytearray(512 * 1024 * 1024)'"
        assert run(server, greedy).code == -signal.SIGKILL

    @as_root
    def test_without_bubblewrap_has_the_uid_too(self, open_runtime: Open, server: Server) -> None:
        if strangers.CLOSED:
            pytest.skip("on this machine only root may pass /")
        alone = place(open_runtime(sandboxed=False), server.release)
        assert run(alone, 'id -u > "$DBYARD_RESULT"').result.strip() == str(alone.slot.uid)


class TestSecrets:
    SECRET = "correct horse battery staple"

    def test_are_read_and_found_nowhere(self, server: Server) -> None:
        server.runtime.run_job(job(server, f'cat > "$DBYARD_RESULT"; {WAIT}; exit 3', stdin=self.SECRET))
        work = directory(server) / "work"
        assert processes.wait_until(lambda: (work / "result").exists() and bool((work / "result").read_text()), 10)
        assert (work / "result").read_text() == self.SECRET
        (work / "result").unlink()
        for pid in members.list_job_members(server.runtime._home, "job-1"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a program of the shell that has ended
                for name in ("cmdline", "environ"):
                    assert self.SECRET.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()
        files = [path for path in directory(server).rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if self.SECRET in path.read_text()]

    def test_may_be_longer_than_a_pipe_holds(self, server: Server) -> None:
        assert run(server, 'wc -c > "$DBYARD_RESULT"', stdin="x" * 300_000).result.strip() == "300000"


class TestTransfer:
    """With a transfer beside it a job's output goes into the archive, and its input comes from there."""

    KEY = b"k" * 32

    def order(self, tmp_path: Path, direction: Literal["put", "get"]) -> Transfer:
        location = Location(f"file://{tmp_path / 'archive'}")
        prepare(location)
        order = Order(location=location, name="db/b/data", key=self.KEY)
        return Transfer(direction, msgspec.json.encode(order).decode())

    def test_carries_there_and_back(self, server: Server, tmp_path: Path) -> None:
        state = run(server, "cat; cat", stdin="rows " * 1000, transfer=self.order(tmp_path, "put"), nice=10)
        assert (state.state, state.log_tail) == (JobStatus.SUCCEEDED, ())
        assert state.progress == Progress(5000.0, None, "")
        assert msgspec.json.decode(state.result, type=Receipt).bytes == 5000
        server.runtime.cancel_job("job-1")
        state = run(server, 'cat > "$DBYARD_RESULT"', transfer=self.order(tmp_path, "get"))
        assert state.state is JobStatus.SUCCEEDED
        assert (directory(server) / "work" / "result").read_text() == "rows " * 1000

    def test_begins_with_an_empty_data_directory(self, server: Server, tmp_path: Path) -> None:
        run(server, "cat", stdin="rows", transfer=self.order(tmp_path, "put"))
        server.runtime.cancel_job("job-1")
        data = server.runtime._home.directory(server.id) / "data"
        (data / "deep").mkdir()
        (data / "deep" / "left").write_text("by an attempt that was killed")
        (data / "link").symlink_to("/etc")
        given = self.order(tmp_path, "get")
        run(server, f"cat > {data}/restored", transfer=given, data=DataAccess.WRITE)
        assert [path.name for path in data.iterdir()] == ["restored"]
        assert Path("/etc/passwd").exists()

    def test_tells_how_the_program_failed(self, server: Server, tmp_path: Path) -> None:
        state = run(server, "echo half; echo why >&2; exit 9", transfer=self.order(tmp_path, "put"))
        assert (state.state, state.code, state.log_tail) == (JobStatus.FAILED, 9, ("why",))
        assert not (tmp_path / "archive" / "db" / "b" / "data").exists()

    def test_ends_with_the_job(self, server: Server, tmp_path: Path) -> None:
        server.runtime.run_job(job(server, f"echo half; {WAIT}", transfer=self.order(tmp_path, "put")))
        half = tmp_path / "archive" / "db" / "b" / ".data.new"
        assert processes.wait_until(half.exists, 10)
        assert len(members.list_job_members(server.runtime._home, "job-1")) > 2
        server.runtime.cancel_job("job-1")
        assert not members.list_job_members(server.runtime._home, "job-1")
        assert not (tmp_path / "archive" / "db" / "b" / "data").exists()

    def test_keeps_its_keys_from_the_job_and_from_files(self, server: Server, tmp_path: Path) -> None:
        order = self.order(tmp_path, "put")
        server.runtime.run_job(job(server, f"id -u; {WAIT}", transfer=order))
        assert processes.wait_until((tmp_path / "archive" / "db" / "b" / ".data.new").exists, 10)
        key = base64.b64encode(self.KEY)
        for pid in members.list_job_members(server.runtime._home, "job-1"):
            for name in ("cmdline", "environ"):
                assert key not in Path(f"/proc/{pid}/{name}").read_bytes()
        files = [path for path in directory(server).rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if key in path.read_bytes()]


class TestAdoption:
    def test_of_one_whose_pid_was_never_recorded(self, server: Server, open_runtime: Open) -> None:
        server.runtime.run_job(job(server, f"{WAIT}; exit 7"))
        record = directory(server) / "job.json"
        ahead = {name: value for name, value in json.loads(record.read_text()).items() if name not in _RUN}
        record.write_text(json.dumps(ahead))
        later = open_runtime()
        later.run_job(job(server, "exit 8"))
        assert later.job("job-1").state is JobStatus.RUNNING
        (directory(server) / "work" / "finish").touch()
        assert ended(later).code == 7

    def test_of_one_that_was_written_ahead_and_never_begun_starts_it(
        self, server: Server, open_runtime: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_: object) -> int:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(spawn, "start_job", die)
            with pytest.raises(KeyboardInterrupt):
                server.runtime.run_job(job(server, "exit 5"))
        later = open_runtime()
        assert later.job("job-1").state is JobStatus.ABSENT
        later.run_job(job(server, "exit 5"))
        assert ended(later).code == 5

    def test_never_takes_a_stranger_for_the_job(self, server: Server, open_runtime: Open) -> None:
        server.runtime.run_job(job(server, "exit 0"))
        assert ended(server.runtime).state is JobStatus.SUCCEEDED
        (directory(server) / "status").unlink()
        record = directory(server) / "job.json"
        own = processes.read(os.getpid())
        assert own is not None
        lie = json.loads(record.read_text()) | {"pid": own.pid, "start_time": own.start_time}
        record.write_text(json.dumps(lie))
        assert ended(open_runtime()) == replace(JobState(JobStatus.FAILED), reason=_UNKNOWN)

    def test_removes_what_was_left_half_made_or_half_removed(self, server: Server, open_runtime: Open) -> None:
        parent = directory(server).parent
        for name in (".new-job-2", ".gone-job-3"):
            (parent / name / "work").mkdir(parents=True)
        open_runtime()
        assert list(parent.iterdir()) == []

    def test_of_one_without_its_wrapper_ends_it(self, server: Server) -> None:
        """Without the wrapper its end would never be told."""
        server.runtime.run_job(job(server, "sleep 1000"))
        home = server.runtime._home
        assert processes.wait_until((directory(server) / "begun").exists, 10)
        os.kill(int(json.loads((directory(server) / "job.json").read_text())["pid"]), signal.SIGKILL)
        assert ended(server.runtime) == replace(JobState(JobStatus.FAILED), reason=_UNKNOWN)
        assert members.list_job_members(home, "job-1") == set()


class TestMembers:
    def test_of_an_instance_are_not_those_of_its_jobs(self, server: Server) -> None:
        server.runtime.run_job(job(server, WAIT))
        home = server.runtime._home
        assert processes.wait_until((directory(server) / "begun").exists, 10)
        assert members.list_members(home, server.id) == set()
        assert members.list_job_members(home, "job-1")

    @as_root
    def test_are_told_apart_without_control_groups(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server.runtime._home, "cgroups", None)
        server.start()
        server.runtime.run_job(job(server, WAIT))
        home = server.runtime._home
        assert processes.wait_until((directory(server) / "begun").exists, 10)
        assert not members.list_members(home, server.id) & members.list_job_members(home, "job-1")
        server.runtime.cancel_job("job-1")
        assert processes.wait_until(server.accepts, 10)


class TestProgress:
    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("1 10 MB", (1.0, 10.0, "MB")),
            ("1.5 10", (1.5, 10.0, "")),
            ("7", (7.0, None, "")),
            ("50 100 %", (50.0, 100.0, "%")),
        ],
    )
    def test_is_a_line(self, line: str, told: tuple[float, float | None, str]) -> None:
        found = jobs.parse_progress(f"{line}\n")
        assert found is not None
        assert (found.done, found.total, found.unit) == told

    @pytest.mark.parametrize("line", ["", "nan", "inf", "-1", "1e9", "1  2", "1 2 a b", "1 2 <b>", "x", "1" * 40, "١"])
    def test_is_nothing_else(self, line: str) -> None:
        assert jobs.parse_progress(f"{line}\n") is None

    def test_is_the_newest_whole_line(self) -> None:
        found = jobs.parse_progress("1 10\n2 10\nnoise\n3 1")
        assert found is not None
        assert found.done == 2.0

    def test_is_read_from_the_end_of_a_large_file(self, server: Server) -> None:
        state = run(
            server, 'yes "1 10 MB" | head -c 100000 > "$DBYARD_PROGRESS"; echo "\n9 10 MB" >> "$DBYARD_PROGRESS"'
        )
        assert state.progress is not None
        assert state.progress.done == 9.0

    @as_root
    def test_follows_no_link(self, server: Server) -> None:
        secret = server.runtime._home.path / "secret"
        secret.write_text("42 43 s\n")
        state = run(server, f'ln -s {secret} "$DBYARD_PROGRESS"; ln -s {secret} "$DBYARD_RESULT"')
        assert (state.progress, state.result) == (None, "")


class TestResult:
    def test_that_is_too_large_is_a_failure(self, server: Server) -> None:
        state = run(server, 'head -c 70000 /dev/zero > "$DBYARD_RESULT"')
        assert (state.state, state.reason) == (JobStatus.FAILED, "its result is larger than 64 KiB")


class TestEnd:
    def test_by_a_signal_is_told_as_one(self, server: Server) -> None:
        assert run(server, "kill -15 $$; sleep 1000").code == -signal.SIGTERM

    def test_of_a_program_that_is_not_there(self, server: Server) -> None:
        state = run(server, "", argv=("/no/such/program",))
        assert (state.state, state.code) == (JobStatus.FAILED, 127)
        assert "no/such/program" in state.log_tail[-1]


_RUN = ("pid", "start_time")
_UNKNOWN = "it ended without an exit status: it was killed together with its wrapper, or the machine stopped"
