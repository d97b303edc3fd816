"""Stopping an instance without waiting for it: each call asks again, and kills what has had its grace.

`stopping.json` tells which process was first asked when, so that a platform that was killed meanwhile goes on. It
stays until the instance is started again.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from dbyard.runtimes.local import directories, members, processes
from dbyard.runtimes.local.home import Home
from dbyard.runtimes.local.processes import Process

log = logging.getLogger(__name__)

_FILE = "stopping.json"


def is_asked(directory: Path) -> bool:
    return (directory / _FILE).exists()


def forget(directory: Path) -> None:
    """The instance is wanted again."""
    (directory / _FILE).unlink(missing_ok=True)


def is_done(home: Home, instance_id: str) -> bool:
    """Whether nothing runs any more of an instance that was asked to stop."""
    return not _running(home, instance_id) and not members.list_members(home, instance_id)


def ask(home: Home, instance_id: str, *, force: bool) -> None:
    """Ask once more: the processes beside the server first, the server when those have ended, then whatever is left.

    The signal comes again with each call because the first process of a sandbox does not hear it while it starts.
    """
    directory = home.directory(instance_id)
    if not directory.is_dir():
        return
    running = _running(home, instance_id)
    asked = directories.read_json(directory / _FILE)
    if force or not running:
        if asked is None:
            _note(directory, {})
        home.changed(instance_id)
        members.kill_once(members.list_members(home, instance_id))
        return
    beside = {record: process for record, process in running.items() if record != members.SERVER}
    wanted = beside or running
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    first = dict.fromkeys(wanted, now) | (asked or {})
    if first != asked and not _note(directory, first):
        home.changed(instance_id)
        members.kill_once(members.list_members(home, instance_id))  # its grace cannot be counted
        return
    home.changed(instance_id)
    for record, process in wanted.items():
        _signal(home, instance_id, record, process, now - float(str(first[record])))


def _note(directory: Path, first: Mapping[str, object]) -> bool:
    """Whether it could be written: a disk that is full or read-only keeps no server from being stopped."""
    try:
        directories.write_json(directory / _FILE, first, durable=False)
    except OSError as error:
        log.warning("a stop cannot be recorded: %s", error)
        return False
    return True


def _signal(home: Home, instance_id: str, record: str, process: Process, waited: float) -> None:
    started = directories.read_json(home.directory(instance_id) / record) or {}
    if waited < _number(started, "stop_grace", 0.0):
        processes.send(process, int(_number(started, "stop_signal", signal.SIGTERM)))
    elif record == members.SERVER:
        members.kill_once(members.list_members(home, instance_id))
    else:
        processes.send(process, signal.SIGKILL)


def _running(home: Home, instance_id: str) -> dict[str, Process]:
    """The living processes that were started, by their records."""
    records = members.list_records(home.directory(instance_id))
    found = {record: members.find(home, instance_id, record) for record in records}
    return {record: process for record, process in found.items() if process is not None}


def _number(started: Mapping[str, object], name: str, default: float) -> float:
    value = started.get(name)
    return value if isinstance(value, int | float) else default
