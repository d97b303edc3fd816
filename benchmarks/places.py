"""Where benchmarks keep what they make, on a disk and in reach of the servers' own uids, and where they listen."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK = "/var/tmp"  # noqa: S108 - unlike /tmp never in memory, which would make every fsync free


@contextmanager
def scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="dbyard-bench-", dir=_DISK))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
