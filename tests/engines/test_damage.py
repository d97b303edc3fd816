"""Data that their server cannot read: it says so in its log, in words that the platform knows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engines.test_configure import open_tenant

if TYPE_CHECKING:
    from tests.engines.conftest import Launch

VERSIONS = {"postgresql": "17", "mysql": "9.7", "mariadb": "10.11", "redis": "7.0", "mongodb": "0.7", "influxdb": "1.6"}
LINES = 60


def garble(path: Path, size: int, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size))


def garble_all(directory: Path, pattern: str, size: int, at: int = 0) -> None:
    found = [path for path in directory.glob(pattern) if path.is_file()]
    assert found
    for path in found:
        garble(path, size, at)


def append_zeros(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(500))


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "control file": ("postgresql", lambda data: garble(data / "global/pg_control", 400)),
    "write-ahead log": ("postgresql", lambda data: garble_all(data, "pg_wal/0*", 1 << 20)),
    "tablespace": ("mariadb", lambda data: garble(data / "ibdata1", 1 << 20)),
    "redo log": ("mariadb", lambda data: garble(data / "ib_logfile0", 1 << 16)),
    "tablespace of MySQL": ("mysql", lambda data: garble(data / "ibdata1", 1 << 20)),
    "dictionary of MySQL": ("mysql", lambda data: garble(data / "mysql.ibd", 1 << 20)),
    "redo log of MySQL": ("mysql", lambda data: garble_all(data / "#innodb_redo", "#ib_redo*[0-9]", 1 << 16)),
    "end of the file": ("redis", lambda data: append_zeros(data / "appendonlydir/appendonly.aof.1.incr.aof")),
    "middle of the file": ("redis", lambda data: garble(data / "appendonlydir/appendonly.aof.1.incr.aof", 20, 40)),
    "manifest": ("redis", lambda data: (data / "appendonlydir/appendonly.aof.manifest").write_text("rubbish\n")),
    "metadata": ("mongodb", lambda data: garble(data / "db/WiredTiger.wt", 4096)),
    "turtle file": ("mongodb", lambda data: (data / "db/WiredTiger.turtle").write_text("rubbish")),
    "journal": ("mongodb", lambda data: garble_all(data, "db/WiredTigerLog.*", 4096, 128)),
    "tables": ("mongodb", lambda data: garble_all(data, "db/secantus_*.wt", 8192)),
    "meta store": ("influxdb", lambda data: (data / "meta/meta.db").write_bytes(b"\xff" * 300)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_is_told(launch: Launch, damage: str) -> None:
    technology, do = DAMAGES[damage]
    server = launch(technology, VERSIONS[technology])
    server.configure()
    tenant = open_tenant(server)
    tenant.write_many(range(100))
    tenant.close()
    assert server.engine.find_damage(server.log().splitlines()[-LINES:]) is None
    server.stop(9)
    do(server.layout.data)
    with pytest.raises(pytest.fail.Exception):
        server.start()
    assert server.process is not None
    assert server.process.poll() is not None
    assert server.engine.find_damage(server.log().splitlines()[-LINES:]), server.log()
