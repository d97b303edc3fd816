"""Running programs as another user on machines where only root may pass `/` (some container roots are made so)."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

CLOSED = os.geteuid() == 0 and not os.stat("/").st_mode & stat.S_IXOTH

needs_open_root = pytest.mark.skipif(CLOSED, reason="on this machine only root may pass /")

# A root of its own, passable for all, with the machine's directories in it; every step is an exec, so the pid stays.
_OPEN_ROOT = """
mount -t tmpfs -o mode=755 tmpfs /mnt
for path in /*; do
  [ "$path" = /mnt ] && continue
  if [ -L "$path" ]; then cp -P "$path" /mnt/; else mkdir "/mnt$path" && mount --rbind "$path" "/mnt$path"; fi
done
exec chroot /mnt sh -c 'cd "$0" && exec "$@"' "$@"
"""


def where_all_may_pass(argv: Sequence[str], cwd: Path) -> list[str]:
    """The argv, behind a passable root where this machine's is not."""
    if not CLOSED:
        return list(argv)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _OPEN_ROOT, "sh", str(cwd), *argv]
