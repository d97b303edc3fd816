"""Slots: what the local runtime gives an instance, its two ports and its uid, written in its directory.

A slot is named by the first of its two ports, S. The instance's uid is 200000 + S (as root), its inner port S + 1. It
listens on S while no endpoint leads to it, or on another port of its own if an endpoint has taken S along to another
instance.

`placement.json` calls the slot `port` and the lineage of the data `seed`: homes that were made before there were slots
and endpoints are read as they are, and their servers go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dbyard.model import Placement
from dbyard.runtimes.local import directories, processes
from dbyard.runtimes.local.ports import Ports

UID_BASE = 200_000
"""The uid of a slot is this plus its first port, so that two homes never share one."""
_FILE = "placement.json"


@dataclass(frozen=True, slots=True)
class Slot:
    host: str
    port: int
    uid: int
    lineage: str
    own_port: int
    """Where its instance listens while no endpoint leads to it."""

    @property
    def inner_port(self) -> int:
        return self.port + 1

    @property
    def ports(self) -> set[int]:
        """The first of each pair of ports that it has."""
        return {self.port, self.own_port}

    @property
    def placement(self) -> Placement:
        return Placement(json.dumps({"host": self.host, "slot": self.port, "uid": self.uid}))


@contextmanager
def claim(ports: Ports, lineage: str) -> Iterator[Slot]:
    """A new slot; given back when the caller cannot write it down."""
    as_root = os.geteuid() == 0
    with ports.claimed(lambda port: not (as_root and processes.list_of_uid(UID_BASE + port))) as port:
        yield Slot(ports.host, port, UID_BASE + port if as_root else os.geteuid(), lineage, port)


def move(ports: Ports, directory: Path, slot: Slot) -> None:
    """Give the instance in `directory` another port of its own: an endpoint takes the one that it has."""
    with ports.claimed(lambda _: True) as port:
        write(directory, replace(slot, own_port=port))


def write(directory: Path, slot: Slot) -> None:
    value: dict[str, object] = {"host": slot.host, "port": slot.port, "uid": slot.uid, "seed": slot.lineage}
    if slot.own_port != slot.port:
        value["own_port"] = slot.own_port
    directories.write_json(directory / _FILE, value, durable=True)


def read(directory: Path) -> Slot | None:
    """The slot of the instance or spare in `directory`; None when it has none (yet, or any more)."""
    value = directories.read_json(directory / _FILE)
    return _slot(value, "port") if value else None


def parse(placement: Placement) -> Slot:
    """The slot that a placement tells; its lineage is not in there."""
    value: dict[str, object] = json.loads(placement)
    return _slot(value, "slot" if "slot" in value else "port")


def remove(directory: Path) -> None:
    (directory / _FILE).unlink(missing_ok=True)


def _slot(value: dict[str, object], number: str) -> Slot:
    port = int(str(value[number]))
    own_port = int(str(value.get("own_port", port)))
    return Slot(str(value["host"]), port, int(str(value["uid"])), str(value.get("seed", "")), own_port)
