"""Starting the processes of an instance in its sandbox, after the `init` commands of its first start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dbyard.errors import PermanentError, TemporaryError
from dbyard.model import Installation, InstanceSpec, ProcessSpec, Release
from dbyard.runtimes import PortTaken
from dbyard.runtimes.local import directories, exit_status, members, sandbox, spawn, stops
from dbyard.runtimes.local.home import Home
from dbyard.runtimes.local.ports import is_free
from dbyard.runtimes.local.sandbox import SandboxSpec
from dbyard.runtimes.local.slots import Slot

_NOBODY = 65534


def ensure(home: Home, spec: InstanceSpec, release: Release) -> None:
    """Start what does not run of the instance; one whose server does not run is started as a whole."""
    directory = home.directory(spec.id)
    slot = require_slot(home, spec.id)
    if stops.is_asked(directory):
        _await_stop(home, spec.id)
    lacking = {record: each for record, each in _records(spec).items() if not members.find(home, spec.id, record)}
    if not lacking:
        return
    home.changed(spec.id)
    whole = members.SERVER in lacking
    if whole:
        _clear(home, spec.id, slot)
    box = enter(home, directory, spec, slot, home.installation(release))
    if whole:
        initialise(home, box, spec)
        _forget_last_start(home, spec.id)
        lacking = _records(spec)
    for record, process in lacking.items():
        _start(home, replace(box, address_space=process.address_space), spec, record, process)
    home.changed(spec.id)  # a look meanwhile did not see all of it


def enter(
    home: Home, directory: Path, spec: InstanceSpec, slot: Slot, installation: Installation, nice: int = 0
) -> SandboxSpec:
    """Write what surrounds the processes: their files, their control group with its limits."""
    if (directory / "data").stat().st_uid != slot.uid:
        directories.change_owner(directory, slot.uid)
    directories.write_conf(spec.files, slot.uid)
    write_passwd(directory, slot.uid)
    joins = home.cgroups.ensure(spec.id, spec) if home.cgroups else ()
    ports = frozenset((_port(home, spec.id, slot), slot.inner_port)) if home.holds_ports else None
    box = sandbox.for_instance(directory, slot.uid, installation, joins, nice, home.syscall_filter, ports)
    return replace(box, address_space=spec.server.address_space)


def require_slot(home: Home, instance_id: str) -> Slot:
    """Raises PermanentError when the instance has no directory."""
    slot = home.slot(instance_id)
    if slot is None:
        raise PermanentError(f"the directory of instance {instance_id} is missing", code="directory_missing")
    return slot


def write_passwd(directory: Path, uid: int) -> None:
    (directory / "passwd").write_text(sandbox.passwd(uid), encoding="ascii")
    (directory / "passwd").chmod(0o644)


def initialise(home: Home, box: SandboxSpec, spec: InstanceSpec) -> None:
    """Run the init commands from an empty data directory, unless all of them have run before."""
    marker = box.directory / directories.INITIALISED
    if marker.exists():
        return
    data, output = box.directory / "data", box.directory / _output(members.SERVER)
    directories.empty(data)
    try:
        with _named_uid(home, box) as named:
            env = sandbox.environment(named, spec.server.env, members.instance_marker(home, spec.id))
            for command in spec.init:
                spawn.run(named, command, env, home.bubblewrap, output, home.watcher)
    except Exception:
        members.kill(home, spec.id)
        directories.empty(data)  # the disk may be full, and others need the room
        raise
    output.unlink(missing_ok=True)  # what preparing printed is not the server's log
    directories.sync(box.directory)
    directories.write_json(marker, True, durable=True)


def _records(spec: InstanceSpec) -> dict[str, ProcessSpec]:
    """The server first."""
    beside = {members.record_of(process.name): process for process in spec.processes[1:]}
    return {members.SERVER: spec.server, **beside}


def _await_stop(home: Home, instance_id: str) -> None:
    """An instance that is wanted again while it stops must end first; the caller tries again."""
    stops.ask(home, instance_id, force=False)
    if not stops.is_done(home, instance_id):
        raise TemporaryError("the server is still being stopped", code="stopping")


def _clear(home: Home, instance_id: str, slot: Slot) -> None:
    """End what an earlier start, or an unfinished one, has left; raises PortTaken when that was not all."""
    directory = home.directory(instance_id)
    if (directory / members.SERVER).exists() or not (directory / directories.INITIALISED).exists():
        members.kill(home, instance_id)
    port = _port(home, instance_id, slot)
    if not is_free(slot.host, port):
        raise PortTaken(f"another program listens on port {port}")


def _port(home: Home, instance_id: str, slot: Slot) -> int:
    """Where its server listens."""
    return home.endpoints.port_of(instance_id) or slot.own_port


def _forget_last_start(home: Home, instance_id: str) -> None:
    directory = home.directory(instance_id)
    home.watcher.remove(instance_id)
    for record in members.list_records(directory):
        (directory / record).unlink()
    stops.forget(directory)


def _start(home: Home, box: SandboxSpec, spec: InstanceSpec, record: str, process: ProcessSpec) -> None:
    started = {
        "argv": process.argv,
        "stop_signal": int(process.stop_signal),
        "stop_grace": process.stop_grace,
        "memory_kills": exit_status.memory_kills(home.cgroups, spec.id),
    }
    path = box.directory / record
    # Written ahead: if we die before the pid is known, its argv still tells it among the instance's processes.
    directories.write_json(path, started, durable=False)
    env = sandbox.environment(box, process.env, members.instance_marker(home, spec.id))
    found = spawn.start(box, process.argv, env, home.bubblewrap, box.directory / _output(record))
    if found is None:
        raise TemporaryError(f"the {process.name} ended while it was started", code="server_exited")
    directories.write_json(path, {**started, "pid": found.pid, "start_time": found.start_time}, durable=False)
    home.watcher.add(spec.id, record, found)


def _output(record: str) -> str:
    """What the process of a record prints goes here."""
    return record.replace("process", "output", 1).replace(".json", ".log")


@contextmanager
def _named_uid(home: Home, box: SandboxSpec) -> Iterator[SandboxSpec]:
    """Init programs insist on a name for their uid; without a sandbox only the system gives one."""
    if home.bubblewrap is not None or os.geteuid() != 0:
        yield box
        return
    directories.change_owner(box.directory, _NOBODY)
    try:
        yield replace(box, uid=_NOBODY)
    finally:
        directories.change_owner(box.directory, box.uid)
