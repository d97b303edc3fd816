"""What runs of an instance, as the kernel tells it, and its certain end.

The server's record is `process.json`; a process beside it has `process-NAME.json`. A record is written before its
process is started, so that the process is found by its argv if we die before its pid is known.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from dbyard.errors import TemporaryError
from dbyard.runtimes.local import directories, processes
from dbyard.runtimes.local.home import Home
from dbyard.runtimes.local.processes import Process

SERVER = "process.json"
_MARKER = "DBYARD_INSTANCE"
_JOB_MARKER = "DBYARD_JOB"
_GONE_SECONDS = 10.0


def record_of(name: str) -> str:
    """The record's name of a process beside the server."""
    return f"process-{name}.json"


def list_records(directory: Path) -> list[str]:
    """The records of all processes that were started, the server's first."""
    try:
        found = [name for name in os.listdir(directory) if name.startswith("process") and name.endswith(".json")]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda name: (name != SERVER, name))


def find(home: Home, instance_id: str, record: str) -> Process | None:
    """The process of the instance, watched from now on; None when it does not run."""
    watched = home.watcher.alive(instance_id, record)
    if watched is not None:
        return watched
    started = directories.read_json(home.directory(instance_id) / record)
    if started is None:
        return None
    found = processes.find_recorded(started)
    if found is None and "pid" not in started:
        found = among(list_members(home, instance_id), processes.recorded_argv(started))
    if found is not None:
        home.watcher.add(instance_id, record, found)
    return found


def among(pids: Iterable[int], argv: tuple[str, ...]) -> Process | None:
    """The process with this argv; its children bear it until they name themselves, so it is the eldest."""
    found = [process for pid in pids if (process := processes.read(pid))]
    return min((each for each in found if each.argv == argv), key=lambda each: each.start_time, default=None)


def list_members(home: Home, instance_id: str) -> set[int]:
    """All living processes of the instance, by everything that tells them; those of its jobs are not among them."""
    found = set(home.cgroups.members(instance_id)) if home.cgroups else set()
    if os.geteuid() != 0:
        found.update(processes.list_marked(f"{_MARKER}={home.marker(instance_id)}"))
    elif (slot := home.slot(instance_id)) is not None:
        found.update(set(processes.list_of_uid(slot.uid)) - _list_of_all_jobs(home))
    return {pid for pid in found if processes.read(pid)}


def list_job_members(home: Home, job_id: str) -> set[int]:
    """All living processes of a job, its wrapper too."""
    found = set(processes.list_marked(f"{_JOB_MARKER}={home.marker(job_id)}"))
    if home.cgroups:
        found.update(home.cgroups.members(job_group(job_id)))
    return {pid for pid in found if processes.read(pid)}


def instance_marker(home: Home, instance_id: str) -> tuple[str, str]:
    """What stands in the environment of each process of the instance."""
    return _MARKER, home.marker(instance_id)


def job_marker(home: Home, job_id: str) -> tuple[str, str]:
    return _JOB_MARKER, home.marker(job_id)


def job_group(job_id: str) -> str:
    """The id of the job's control group, among those of instances."""
    return f"job-{job_id}"


def kill(home: Home, instance_id: str) -> None:
    """Afterwards no process of the instance is left, not even as a zombie that still has its pid."""
    _kill(home, lambda: list_members(home, instance_id))


def kill_job(home: Home, job_id: str) -> None:
    """Afterwards no process of the job is left."""
    _kill(home, lambda: list_job_members(home, job_id))


def kill_once(found: Iterable[int]) -> None:
    """Send SIGKILL to processes, and do not wait."""
    for process in [processes.read(pid) for pid in found]:
        if process is not None:
            processes.send(process, signal.SIGKILL)


def _kill(home: Home, members: Callable[[], set[int]]) -> None:
    def gone() -> bool:
        kill_once(members())
        home.watcher.reap()
        return not members()

    if not processes.wait_until(gone, _GONE_SECONDS):
        raise TemporaryError("processes of the server do not end", code="processes_left")


def _list_of_all_jobs(home: Home) -> set[int]:
    """The processes of all jobs of the home. They have the uids of their instances."""
    jobs = os.listdir(home.path / "jobs")
    if not jobs:
        return set()
    if home.cgroups is None:
        return set(processes.list_marked_like(f"{_JOB_MARKER}={home.path}:"))
    return {pid for job_id in jobs for pid in home.cgroups.members(job_group(job_id))}
