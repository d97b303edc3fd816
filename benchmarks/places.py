"""Where benchmarks keep what they make, on a disk and in reach of the servers' own uids, and where they listen."""

from __future__ import annotations

import random
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK = "/var/tmp"  # noqa: S108 - unlike /tmp never in memory, which would make every fsync free
# Below the ports that clients get by themselves; each is given once.
_ports = iter(random.sample(range(12_000, 20_000), 8_000))


@contextmanager
def scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="dbyard-bench-", dir=_DISK))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    return next(port for port in _ports if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) != 0
