"""Backups, proofs and restores, each beside the same by hand: the technology's own tool and a file on this machine."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import psycopg

from benchmarks import by_hand
from benchmarks.filling import fill, read_one, reading
from benchmarks.floor import Floor, Server, floor
from benchmarks.measure import Pair, alternate, timed, wait_until
from benchmarks.places import scratch
from benchmarks.platform import Platform, running
from benchmarks.report import Line, duration
from benchmarks.servers import installed
from benchmarks.tenant import Tenant, retry
from dbyard.catalogue import load
from dbyard.model import Plan

_ROUNDS = 3
_MOST, _MOST_P99, _MOST_PROOF, _MOST_MOMENT, _MOST_SIZE = 1.1, 1.2, 1.5, 1.3, 1.05
_PROOF_BYTES = 100_000_000
_SECONDS = 1800.0
_PROBE_SECONDS = 1.5
_MEMORY_FOR_EACH_BYTE = {"redis": 4}
_NAME = "backed-up-db"


@dataclass
class _Ours:
    """A database of the platform, full of data, and its last backup."""

    platform: Platform
    tenant: Tenant
    backup: dict[str, Any] = field(default_factory=dict)

    def back_up(self) -> None:
        """Until it is done: compressed, sealed, in the archive and read back."""
        self.backup = self._ask("POST", "/backups")["database_backup"]
        wait_until(lambda: self._is_done(), _SECONDS, "the backup")

    def prove(self) -> None:
        self._ask("POST", f"/backups/{self.backup['id']}/verify")
        self.await_rest()

    def restore(self) -> None:
        """Until its tenant reads what was backed up."""
        self._await_restoration(self._ask("POST", f"/backups/{self.backup['id']}/restore")["id"])

    def restore_moment(self, moment: datetime) -> None:
        asked = self._ask("POST", "/pitr/restore", {"restore_time": moment.isoformat()})
        self._await_restoration(asked["operation_id"])

    def await_rest(self) -> None:
        """Proofs have ended too."""
        path = f"/v1/databases/{_NAME}/operations"

        def rests() -> bool:
            return all(each["finished_at"] for each in self.platform.request("GET", path)[1]["operations"])

        wait_until(rests, _SECONDS, "the operations")

    def _await_restoration(self, restoration: str) -> None:
        path = f"/backup_restorations/{restoration}"
        wait_until(lambda: self._ask("GET", path)["status"] == "done", _SECONDS, "the restore", 0.02)
        retry(lambda: read_one(self.tenant), (Exception,))

    def _is_done(self) -> bool:
        found = self._ask("GET", f"/backups/{self.backup['id']}")["database_backup"]
        assert found["status"] != "error", found
        self.backup = found
        return bool(found["status"] == "done")

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        status, answer = self.platform.request(method, f"/api/databases/{_NAME}{path}", body)
        assert status < 300, answer
        assert isinstance(answer, dict)
        return answer


@dataclass
class _Hand:
    """The same data in a server that was started by hand."""

    floor: Floor
    server: Server
    file: Path

    def back_up(self) -> None:
        by_hand.back_up(self.server, self.file)

    def restore(self) -> float:
        """The seconds that it takes into a server that was prepared before."""
        (server,) = self.floor.prepare(1, self.server)
        taken = timed(lambda: by_hand.restore(server, self.file))
        server.end()
        return taken


def against_own_tools(technology: str, size: int) -> Iterator[Line]:
    """Backup, what it costs those who ask meanwhile, what it takes, and its restore."""
    with _both(technology, size) as (ours, hand):
        what = f"{technology}, {size // 1_000_000} MB"
        yield duration(f"backup, {what}", _alternate(ours, ours.back_up, lambda: timed(hand.back_up)), _MOST)
        yield _compare_size(ours, hand, what)
        yield duration(f"p99 of a read while a backup is made, {what}", _compare_reads(ours, size), _MOST_P99)
        yield duration(f"restore, {what}", _alternate(ours, ours.restore, hand.restore), _MOST)


def proof(size: int) -> Iterator[Line]:
    """A proof beside a restore by hand, which checks nothing."""
    size = min(size, _PROOF_BYTES)
    with _both("postgresql", size) as (ours, hand):
        ours.back_up()
        ours.await_rest()
        hand.back_up()
        pair = _alternate(ours, ours.prove, hand.restore)
    yield duration(f"proof of a backup, postgresql, {size // 1_000_000} MB", pair, _MOST_PROOF)


def moment(size: int) -> Iterator[Line]:
    """From DROP TABLE to the data of the moment before it, in place."""
    with _both("postgresql", size) as (ours, hand), by_hand.journal(hand.server, hand.file.with_name("log")):
        ours.back_up()
        hand.back_up()
        ours.await_rest()
        for tenant in (ours.tenant, hand.server.tenant):
            _write_more(tenant)
        times = [_drop(tenant) for tenant in (ours.tenant, hand.server.tenant)]

        def recover() -> float:
            (server,) = hand.floor.prepare(1, hand.server)
            log = hand.file.with_name("log")
            taken = timed(lambda: by_hand.restore_moment(server, hand.file, log, times[1]))
            server.end()
            return taken

        pair = _alternate(ours, lambda: ours.restore_moment(times[0]), recover)
    yield duration(f"DROP TABLE to recovered, postgresql, {size // 1_000_000} MB", pair, _MOST_MOMENT)


@contextmanager
def _both(technology: str, size: int) -> Iterator[tuple[_Ours, _Hand]]:
    """With the same data, on the smallest plan that holds them."""
    plan = _plan_for(technology, size)
    with ExitStack() as stack:
        platform = stack.enter_context(running(technology, spares=0, scheduled_backups="0"))
        made = stack.enter_context(floor(installed(technology), plan))
        directory = stack.enter_context(scratch())
        directory.chmod(0o777)
        (server,) = made.prepare(1)
        server.open()
        platform.create(technology, _NAME, plan.name)
        ours = _Ours(platform, platform.await_tenant(technology, _NAME))
        for tenant in (ours.tenant, server.tenant):
            fill(tenant, size)
        yield ours, _Hand(made, server, directory / "backup")


def _plan_for(technology: str, size: int) -> Plan:
    least = size * _MEMORY_FOR_EACH_BYTE.get(technology, 0) // 1_000_000
    return next(each for each in load().technologies[technology].plans if each.memory_mb >= least)


def _alternate(ours: _Ours, work: Callable[[], None], hand: Callable[[], float]) -> Pair:
    """What comes after ours, such as a proof, is waited for and does not count."""

    def measure() -> float:
        taken = timed(work)
        ours.await_rest()
        return taken

    return alternate(_ROUNDS, measure, hand)


def _compare_size(ours: _Ours, hand: _Hand, what: str) -> Line:
    packed = hand.file.with_name("packed")
    subprocess.run(["zstd", "-3", "--quiet", "--force", hand.file, "-o", packed], check=True)
    stored, least = int(ours.backup["stored_size"]), packed.stat().st_size
    ratio = stored / least
    shown = (f"{stored / 1e6:.1f} MB", f"{least / 1e6:.1f} MB", f"{ratio:.3f} ×", f"≤ {_MOST_SIZE:g} ×")
    return Line(f"size in the archive, {what}", *shown, reached=ratio <= _MOST_SIZE)


def _compare_reads(ours: _Ours, size: int) -> Pair:
    with reading(ours.tenant) as read:

        def meanwhile() -> float:
            making = threading.Thread(target=ours.back_up)
            making.start()
            taken = _p99(read, size, making.is_alive)
            making.join()
            ours.await_rest()
            return taken

        def quiet() -> float:
            until = time.monotonic() + _PROBE_SECONDS
            return _p99(read, size, lambda: time.monotonic() < until)

        return alternate(_ROUNDS, meanwhile, quiet)


def _p99(read: Callable[[int], None], size: int, goes_on: Callable[[], bool]) -> float:
    """Of reads one after the other, in seconds."""
    taken, number = [], 0
    while goes_on():
        number = (number * 7919 + 1) % max(1000, size // 1_000_000 * 1000)
        taken.append(timed(lambda: read(number)))  # noqa: B023 - it is called at once
    return quantiles(taken, n=100)[98]


def _write_more(tenant: Tenant) -> None:
    """What a journal has since the backup."""
    with psycopg.connect(tenant.url) as session:
        session.execute("CREATE TABLE later AS SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 50000) n")


def _drop(tenant: Tenant) -> datetime:
    """A moment before a table is dropped, some seconds ago."""
    before = datetime.now(UTC)
    time.sleep(1)
    with psycopg.connect(tenant.url) as session:
        session.execute("DROP TABLE filled")
    return before
