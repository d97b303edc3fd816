"""Making a place for an instance or a spare, and removing it with everything that runs in it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from dbyard.runtimes.local import directories, jobs, members, slots
from dbyard.runtimes.local.home import SPARE, Home
from dbyard.runtimes.local.slots import Slot


def build(home: Home, instance_id: str, lineage: str | None = None) -> Slot:
    """A directory with a slot of its own; killed at any moment it is there as a whole or not at all."""
    directory = home.directory(instance_id)
    new = directory.with_name(f".new-{directory.name.lstrip('.')}")
    try:
        with slots.claim(home.ports, lineage or secrets.token_hex(16)) as slot:
            directories.build(new, slot.uid)
            slots.write(new, slot)
            if lineage is not None:  # the data come from elsewhere: there is nothing to initialise
                directories.write_json(new / directories.INITIALISED, True, durable=True)
            new.rename(directory)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return slot


def remove(home: Home, instance_id: str) -> None:
    """Kill, move out of the way, free the ports, delete: killed anywhere in between, the same call ends it."""
    home.changed(instance_id)
    home.watcher.remove(instance_id)
    _remove(home, home.directory(instance_id), instance_id)
    home.forget(instance_id)


def clean(home: Home) -> None:
    """What a platform that was killed left half done: unfinished directories, trash, claims."""
    jobs.clean(home)
    for parent in ("instances", "spares"):
        for path in (home.path / parent).glob(".new-*"):
            shutil.rmtree(path)
    for path in (home.path / "spares").glob(f".{SPARE}*"):
        remove(home, path.name.removeprefix("."))
    for path in (home.path / "trash").iterdir():
        _remove(home, home.directory(path.name), path.name)
    with home.ports.locked():
        home.ports.settle()


def _remove(home: Home, directory: Path, name: str) -> None:
    trash = home.path / "trash" / name
    jobs.cancel_all(home, name)
    if directory.is_dir():
        members.kill(home, name)
        if trash.exists():
            shutil.rmtree(trash)
        directory.rename(trash)
    if home.cgroups:
        home.cgroups.remove(name)
    if trash.is_dir():
        slot = slots.read(trash)
        if slot is not None:
            home.endpoints.release(slot)
        slots.remove(trash)
        shutil.rmtree(trash)
