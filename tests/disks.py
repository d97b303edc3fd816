"""Where tests put homes: on a disk, because `/tmp` may be memory, which counts against a server's own limit."""

from __future__ import annotations

import tempfile
from pathlib import Path

ON_DISK = "/var/tmp"


def make_directory() -> Path:
    """A new directory on a disk, with a path short enough for any server."""
    return Path(tempfile.mkdtemp(prefix="dbyard-test-", dir=ON_DISK))
