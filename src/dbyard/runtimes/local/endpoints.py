"""Endpoints: addresses that stay the same whichever instance they lead to, each a record that outlives instances.

endpoints/ID.json   {"port": …, "instance": …}

An endpoint takes over the port on which its first instance listens anyway, so that publishing claims nothing and a
running spare need not be restarted; if that is not to be had, it claims a pair of its own. When it moves on to another
instance, the first one gets another port to listen on. A port is claimed for as long as its endpoint or its slot lives.

A home without `endpoints/` was made before there were any. It is taken over at once: each of its instances is published
as the endpoint that has the instance's id, on the port where its server listens; nothing is started again.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from dbyard.errors import TemporaryError
from dbyard.model import Address
from dbyard.runtimes.local import directories, slots
from dbyard.runtimes.local.ports import Ports, list_held
from dbyard.runtimes.local.slots import Slot


@dataclass(frozen=True, slots=True)
class Endpoint:
    port: int
    instance_id: str


class Endpoints:
    def __init__(self, home: Path, ports: Ports) -> None:
        self._instances = home / "instances"
        self._records = home / "endpoints"
        self._ports = ports
        self._home = home
        self._lock = threading.Lock()
        if not self._records.is_dir():
            _take_over(self._instances, self._records)
        self._known = {path.stem: _read(path) for path in self._records.glob("[!.]*.json")}

    def get(self, endpoint_id: str) -> Endpoint | None:
        return self._known.get(endpoint_id)

    def port_of(self, instance_id: str) -> int | None:
        """The port of the endpoint that leads to the instance; None when none does."""
        with self._lock:
            return next((each.port for each in self._known.values() if each.instance_id == instance_id), None)

    def publish(self, endpoint_id: str, instance_id: str, avoid: int | None) -> Address:
        """Let the endpoint lead to the instance; killed at any moment, it leads there or where it led before."""
        with self._lock:
            slot = slots.read(self._instances / instance_id)
            if slot is None:
                raise TemporaryError(f"instance {instance_id} has no place yet", code="not_placed")
            known = self._known.get(endpoint_id)
            if known is None or known.port == avoid:
                return Address(slot.host, self._claim(endpoint_id, instance_id, slot, avoid))
            if known.instance_id != instance_id:
                self._take_along(known)
                self._write(endpoint_id, Endpoint(known.port, instance_id))
            return Address(slot.host, known.port)

    def unpublish(self, endpoint_id: str) -> None:
        with self._lock:
            (self._records / f"{endpoint_id}.json").unlink(missing_ok=True)
            known = self._known.pop(endpoint_id, None)
            if known is not None:
                self._release(known.port)

    def release(self, slot: Slot) -> None:
        """Give the ports of a slot back, but those that endpoints have."""
        with self._lock:
            for port in slot.ports - self._held():
                self._ports.release(port)

    def _claim(self, endpoint_id: str, instance_id: str, slot: Slot, avoid: int | None) -> int:
        before = self._known.get(endpoint_id)
        if before is None and slot.own_port != avoid and slot.own_port not in self._held():
            self._write(endpoint_id, Endpoint(slot.own_port, instance_id))
            return slot.own_port
        with self._ports.claimed(lambda _: True) as port:
            self._write(endpoint_id, Endpoint(port, instance_id))
        if before is not None:
            self._release(before.port)
        return port

    def _take_along(self, endpoint: Endpoint) -> None:
        """The instance that it has led to so far keeps a port of its own."""
        directory = self._instances / endpoint.instance_id
        slot = slots.read(directory)
        if slot is not None and slot.own_port == endpoint.port:
            slots.move(self._ports, directory, slot)

    def _release(self, port: int) -> None:
        """Give a port back unless a slot has it."""
        if port not in list_held(self._home):
            self._ports.release(port)

    def _held(self) -> set[int]:
        return {endpoint.port for endpoint in self._known.values()}

    def _write(self, endpoint_id: str, endpoint: Endpoint) -> None:
        _write(self._records / f"{endpoint_id}.json", endpoint)
        self._known[endpoint_id] = endpoint


def _take_over(instances: Path, records: Path) -> None:
    """All or nothing: there is no `endpoints/` before every record is in it."""
    new = records.with_name(".endpoints-new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o711)
    for directory in instances.glob("[!.]*"):
        slot = slots.read(directory)
        if slot is not None:
            _write(new / f"{directory.name}.json", Endpoint(slot.port, directory.name))
    new.rename(records)


def _read(path: Path) -> Endpoint:
    value = directories.read_json(path) or {}
    return Endpoint(int(str(value["port"])), str(value["instance"]))


def _write(path: Path, endpoint: Endpoint) -> None:
    directories.write_json(path, {"port": endpoint.port, "instance": endpoint.instance_id}, durable=True)
