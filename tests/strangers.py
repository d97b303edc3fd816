"""Running programs as another user where only root may pass `/`, or other directories above what the program needs."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Sequence
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


def as_user(uid: int, argv: Sequence[str]) -> list[str]:
    """The argv, run by an ordinary user who sees this checkout and its Python wherever they are; as root only.

    What the user may not pass is covered by an empty directory that has the needed ones in it. The pid stays.
    """
    checkout = Path(__file__).parents[1]
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix), checkout}
    script = "".join(_uncover(closed, needed) for closed in {_first_closed(path) for path in needed} if closed)
    drop = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--inh-caps=-all"]
    inner = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{script} exec "$@"', "sh", *drop, *argv]
    return where_all_may_pass(inner, checkout)


def _first_closed(path: Path) -> Path | None:
    """The uppermost directory above `path`, but `/`, that others may not pass."""
    above = [*reversed(path.parents), path][1:]
    return next((each for each in above if not each.stat().st_mode & stat.S_IXOTH), None)


def _uncover(closed: Path, needed: set[Path]) -> str:
    """Shell commands. A directory is held by a file descriptor while what is above it is covered."""

    def lines() -> Iterator[str]:
        within = sorted(path for path in needed if path.is_relative_to(closed))
        for number, path in enumerate(within, 3):
            yield f"exec {number}< {shlex.quote(str(path))}"
        yield f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}"
        for number, path in enumerate(within, 3):
            yield f"mkdir -p {shlex.quote(str(path))}"
            yield f"mount --no-canonicalize --rbind /proc/self/fd/{number} {shlex.quote(str(path))}"
            yield f"exec {number}<&-"

    return "".join(f"{line}\n" for line in lines())
