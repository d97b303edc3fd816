"""Jobs: programs that run to their end beside an instance, detached, and known again after the platform's death.

jobs/ID/   job.json    what was started; its pid, once that is known
           begun       its wrapper runs, or ran
           status      its exit code
           output.log  what it printed
           work/       its work directory, with `progress` and `result`; the job's own, 0700
           progress, result   of what is carried to or from the archive, where that is so

    sh (the wrapper: joins the cgroup, waits, writes `status`) -> [transfer ->] sandbox -> program

As root, all but `work/` is out of the job's reach. What it reads from stdin is in memory only, as are the keys of the
archive, which only the transfer reads.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path, PurePath

from dbyard.errors import PermanentError
from dbyard.model import DataAccess, File, JobSpec, JobState, JobStatus, Progress
from dbyard.runtimes.local import directories, exit_status, members, processes, sandbox, spawn, starts
from dbyard.runtimes.local.home import Home
from dbyard.runtimes.local.sandbox import SandboxSpec

_RECORD, _BEGUN, _STATUS, _OUTPUT = "job.json", "begun", "status", "output.log"
_PROGRESS, _RESULT = "progress", "result"
_PROGRESS_BYTES, _RESULT_BYTES = 4096, 64 * 1024
_LOG_LINES = 10
_TRANSFER = (sys.executable, "-m", "dbyard.archive.transfer")
_LEFT_BY_OTHERS = ("ionice", "-c", "3")
_NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,9})?"
_LINE = re.compile(rf"({_NUMBER})(?: ({_NUMBER})(?: ([A-Za-z%/]{{1,16}}))?)?")


def run(home: Home, spec: JobSpec) -> None:
    """Start the job unless it was begun before."""
    with home.locks[spec.instance_id], home.locks[members.job_group(spec.id)]:
        if look(home, spec.id).state is not JobStatus.ABSENT:
            return
        cancel(home, spec.id)  # one that was written ahead and never begun
        box = _sandbox(home, spec)
        argv = _wrapper(home, spec, box)
        told = "work" if spec.transfer is None else "."
        record: dict[str, object] = {"instance": spec.instance_id, "data": spec.data, "argv": argv, "told": told}
        if spec.transfer is not None and spec.transfer.reports:
            record["result"] = "work"
        if _begins_anew(spec):
            directories.empty(home.directory(spec.instance_id) / "data")
        _build(box, spec, record)
        env = sandbox.environment(box, _environment(home, spec, box), members.job_marker(home, spec.id))
        if process := spawn.start_job(argv, env, box.directory / _OUTPUT, _stdin(spec), box.ports):
            record |= {"pid": process.pid, "start_time": process.start_time}
            directories.write_json(box.directory / _RECORD, record, durable=False)


def look(home: Home, job_id: str) -> JobState:
    """How far the job is, or how it ended."""
    directory = _directory(home, job_id)
    record = directories.read_json(directory / _RECORD)
    if record is None:
        return JobState(JobStatus.ABSENT)
    told = directory / str(record.get("told", "work"))
    result = directory / str(record.get("result", record.get("told", "work"))) / _RESULT
    code = _read_status(directory)
    if code is None:
        if _is_running(home, job_id, record):
            return _running(directory, told)
        code = _read_status(directory)  # it may have come before the wrapper's end
    if code is None and not (directory / _BEGUN).exists():
        return JobState(JobStatus.ABSENT)
    if code is None and (left := members.list_job_members(home, job_id)):
        members.kill_once(left)  # without its wrapper nobody would learn how it ends
        return _running(directory, told)
    return _ended(directory, told, result, code)


def cancel(home: Home, job_id: str) -> None:
    """Killed anywhere in between, the same call ends it; or the next start does."""
    directory, gone = _directory(home, job_id), home.path / "jobs" / f".gone-{job_id}"
    with home.locks[members.job_group(job_id)]:
        if directory.is_dir():
            members.kill_job(home, job_id)
            if home.cgroups:
                home.cgroups.remove(members.job_group(job_id))
            shutil.rmtree(gone, ignore_errors=True)
            directory.rename(gone)
        if gone.is_dir():
            shutil.rmtree(gone)


def cancel_all(home: Home, instance_id: str) -> None:
    """Remove all jobs of the instance."""
    for job_id in list_of(home, instance_id):
        cancel(home, job_id)


def list_all(home: Home) -> list[str]:
    return sorted(name for name in os.listdir(home.path / "jobs") if not name.startswith("."))


def list_of(home: Home, instance_id: str, access: DataAccess | None = None) -> list[str]:
    """The jobs of the instance, ended ones included; with `access`, those that have it."""
    return [
        job_id
        for job_id in list_all(home)
        if (record := directories.read_json(_directory(home, job_id) / _RECORD))
        and record.get("instance") == instance_id
        and access in (None, record.get("data"))
    ]


def trim_logs(home: Home) -> None:
    for job_id in list_all(home):
        directories.trim_log(_directory(home, job_id) / _OUTPUT)


def clean(home: Home) -> None:
    """Remove what a platform that was killed left half made or half removed."""
    for path in (home.path / "jobs").glob(".*"):
        shutil.rmtree(path)


def parse_progress(text: str) -> Progress | None:
    """The newest whole line `DONE TOTAL UNIT` or `DONE`; anything else is left out. Pure."""
    for line in reversed(text.rpartition("\n")[0].split("\n")):
        if found := _LINE.fullmatch(line):
            done, total, unit = found.groups()
            return Progress(float(done), float(total) if total else None, unit or "")
    return None


def _directory(home: Home, job_id: str) -> Path:
    return home.path / "jobs" / job_id


def _sandbox(home: Home, spec: JobSpec) -> SandboxSpec:
    slot = starts.require_slot(home, spec.instance_id)
    installation = home.installation(spec.release)
    directory, data = _directory(home, spec.id), home.directory(spec.instance_id) / "data"
    work = directory / "work"
    writable = (work, data) if spec.data is DataAccess.WRITE else (work,)
    readable = (data,) if spec.data is DataAccess.READ else ()
    if spec.python:
        installation = replace(installation, whole=False, libraries=(), bin=Path("/usr/bin"))
        readable = (*readable, *_own_packages())
    return SandboxSpec(
        directory,
        work,
        writable,
        readable,
        slot.uid,
        installation,
        syscall_filter=None if spec.connects else home.syscall_filter,
        ports=frozenset() if home.holds_ports else None,
        is_init=False,
    )


def _wrapper(home: Home, spec: JobSpec, box: SandboxSpec) -> list[str]:
    """It joins the job's control group, as the sandbox then does, and so survives the platform's own."""
    joins = home.cgroups.ensure(members.job_group(spec.id), spec) if home.cgroups else ()
    here = shlex.quote(str(box.directory))
    begin = [f"echo 0 > {shlex.quote(str(path))}" for path in joins] + [f": > {here}/{_BEGUN}"]
    end = f'echo "$?" > {here}/.{_STATUS}.new; mv {here}/.{_STATUS}.new {here}/{_STATUS}'
    script = " && ".join(begin) + f' || exit 1; "$@"; {end}'
    argv = (sys.executable, "-I", *spec.argv) if spec.python else spec.argv
    program = sandbox.wrap(box, argv, home.bubblewrap, None)
    if spec.transfer is not None:
        program = [*_TRANSFER, spec.transfer.direction, str(box.directory), *program]
    if spec.nice:
        program = ["nice", "-n", str(spec.nice), *_LEFT_BY_OTHERS, *program]
    return ["/bin/sh", "-c", script, "job", *program]


def _begins_anew(spec: JobSpec) -> bool:
    """Whether what an attempt before has left in the data goes."""
    it = spec.transfer
    return it is not None and it.direction == "get" and not it.adds and spec.data is DataAccess.WRITE


def _stdin(spec: JobSpec) -> str:
    return spec.stdin if spec.transfer is None else f"{spec.transfer.order}\n{spec.stdin}"


def _build(box: SandboxSpec, spec: JobSpec, record: dict[str, object]) -> None:
    """Lay out the job's directory; it is there as a whole, with the record of what is about to be started."""
    new = box.directory.with_name(f".new-{box.directory.name}")
    shutil.rmtree(new, ignore_errors=True)
    work = new / "work"
    work.mkdir(parents=True)
    new.chmod(0o711)
    starts.write_passwd(new, box.uid)
    for file in spec.files:
        _write(work, file)
    for path in (*work.rglob("*"), work):
        os.chown(path, box.uid, box.uid)
    work.chmod(0o700)
    directories.write_json(new / _RECORD, record, durable=False)
    new.rename(box.directory)


def _write(work: Path, file: File) -> None:
    if file.path.is_absolute() or ".." in PurePath(file.path).parts:
        raise PermanentError(f"{file.path} is not below the work directory of the job", code="bad_path")
    path = work / file.path
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(file.content.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)


def _environment(home: Home, spec: JobSpec, box: SandboxSpec) -> dict[str, str]:
    told = {"DBYARD_PROGRESS": str(box.workdir / _PROGRESS), "DBYARD_RESULT": str(box.workdir / _RESULT)}
    if spec.python:
        release = home.installation(spec.release)
        told["DBYARD_ROOT"] = str(release.root) if release.whole else ""
        told["DBYARD_LIBRARIES"] = ":".join(str(path) for path in release.libraries)
    return {**spec.env, **told}


def _own_packages() -> tuple[Path, ...]:
    """What the platform's own Python needs to run its modules, by whatever links it is reached."""
    named = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[3]]
    found = sorted({*named, *(path.resolve() for path in named)})
    return tuple(path for path in found if not path.is_relative_to("/usr"))


def _is_running(home: Home, job_id: str, record: dict[str, object]) -> bool:
    if "pid" in record:
        running = processes.find_recorded(record) is not None
    else:
        argv = processes.recorded_argv(record)
        running = members.among(members.list_job_members(home, job_id), argv) is not None
    if not running:
        home.watcher.reap()
    return running


def _running(directory: Path, told: Path) -> JobState:
    return JobState(JobStatus.RUNNING, _read_progress(told), log_tail=_read_log(directory))


def _ended(directory: Path, told: Path, result_path: Path, code: int | None) -> JobState:
    """`told` is the directory in which the progress stands."""
    progress, tail = _read_progress(told), _read_log(directory)
    if code is None:
        reason = "it ended without an exit status: it was killed together with its wrapper, or the machine stopped"
        return JobState(JobStatus.FAILED, progress, None, reason, tail)
    if code != 0:
        return JobState(JobStatus.FAILED, progress, exit_status.of_shell(code), "", tail)
    result = directories.read_end(result_path, _RESULT_BYTES + 1)
    if len(result.encode()) > _RESULT_BYTES:
        reason = f"its result is larger than {_RESULT_BYTES // 1024} KiB"
        return JobState(JobStatus.FAILED, progress, code, reason, tail)
    return JobState(JobStatus.SUCCEEDED, progress, code, "", tail, result)


def _read_status(directory: Path) -> int | None:
    try:
        text = (directory / _STATUS).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() else None


def _read_log(directory: Path) -> tuple[str, ...]:
    return tuple(directories.tail(directory / _OUTPUT, _LOG_LINES))


def _read_progress(told: Path) -> Progress | None:
    text = directories.read_end(told / _PROGRESS, _PROGRESS_BYTES)
    if len(text) >= _PROGRESS_BYTES:
        text = text.partition("\n")[2]  # its first line is only the end of one
    return parse_progress(text)
