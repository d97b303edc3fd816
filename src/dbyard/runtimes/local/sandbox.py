"""The argv that puts a server into its sandbox: cgroup, rlimits, own namespaces, own uid, no privileges. All pure.

    sh (joins the cgroup, sets rlimits) -> bwrap (own pid, ipc, mount namespaces) -> setpriv (drops root) -> server

Each one replaces itself by the next, but bwrap, which stays outside and waits. Paths are the same inside and outside.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbyard.model import Installation

_SYSTEM_LINKS = ("bin", "sbin", "lib", "lib64")
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/etc/nsswitch.conf", "/etc/alternatives")
_NOTHING_GAINED = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


@dataclass(frozen=True, slots=True)
class Cell:
    """One server's surroundings: its directory, uid and installation, and the files to join its cgroup by."""

    directory: Path
    uid: int
    installation: Installation
    cgroup: tuple[Path, ...]
    address_space: int | None
    nice: int = 0


def wrap(cell: Cell, argv: Sequence[str], bubblewrap: Path | None, info_fd: int | None) -> list[str]:
    """The whole argv; with bubblewrap the server's pid is written to `info_fd` as JSON (`child-pid`)."""
    inner = [*_as_uid(cell.uid), *argv]
    if bubblewrap is not None:
        inner = [*_bwrap(cell, bubblewrap, info_fd), "--", *inner]
    return ["/bin/sh", "-c", _shell(cell), "sandbox", *inner]


def environment(cell: Cell, env: Mapping[str, str], marker: tuple[str, str]) -> dict[str, str]:
    """The server's whole environment; `marker` names home and instance for machines where nothing else does."""
    base = {
        "PATH": f"{cell.installation.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(cell.directory / "run"),
        "TMPDIR": str(cell.directory / "run"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        marker[0]: marker[1],
    }
    if cell.installation.libraries:
        base["LD_LIBRARY_PATH"] = ":".join(str(path) for path in cell.installation.libraries)
    return {**base, **env}


def passwd(uid: int) -> str:
    """Some programs insist on a name for their uid."""
    return f"root:x:0:0:root:/root:/bin/sh\ndbyard:x:{uid}:{uid}:dbyard:/:/bin/false\n"


def _shell(cell: Cell) -> str:
    parts = [f"echo 0 > {shlex.quote(str(path))}" for path in cell.cgroup]
    parts += ["ulimit -c 0", f"cd {shlex.quote(str(cell.directory / 'run'))}"]
    if cell.address_space is not None:
        parts.append(f"ulimit -v {cell.address_space // 1024}")
    if cell.nice:
        return " && ".join([*parts, f'exec nice -n {cell.nice} "$@"'])
    return " && ".join([*parts, 'exec "$@"'])


def _as_uid(uid: int) -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *_NOTHING_GAINED]


def _bwrap(cell: Cell, bubblewrap: Path, info_fd: int | None) -> list[str]:
    directory, root = cell.directory, cell.installation.root
    bound = [directory / "data", directory / "log", directory / "run"]
    argv = [str(bubblewrap), "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1"]
    if info_fd is not None:
        argv += ["--info-fd", str(info_fd)]
    argv += ["--perms", "0755", "--dir", "/etc", "--ro-bind", "/usr", "/usr"]
    for name in _SYSTEM_LINKS:
        argv += _system_link(Path("/") / name)
    for name in _SYSTEM_FILES:
        argv += ["--ro-bind-try", name, name]
    argv += ["--ro-bind", str(directory / "passwd"), "/etc/passwd", "--proc", "/proc", "--dev", "/dev"]
    argv += ["--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    argv += _parents([*bound, root])
    if not root.is_relative_to("/usr"):
        argv += ["--ro-bind", str(root), str(root)]
    for path in bound:
        argv += ["--bind", str(path), str(path)]
    argv += ["--ro-bind", str(directory / "conf"), str(directory / "conf")]
    return [*argv, "--chdir", str(directory / "run")]


def _system_link(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", os.readlink(path), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.exists() else []


def _parents(paths: Iterable[Path]) -> list[str]:
    """Make the directories above what is bound, passable (bwrap itself would make them 0700)."""
    above = {parent for path in paths for parent in path.parents if not parent.is_relative_to("/usr")}
    above -= {Path("/"), Path("/tmp"), Path("/etc"), Path("/dev")}  # noqa: S108
    argv: list[str] = []
    for parent in sorted(above):
        argv += ["--perms", "0755", "--dir", str(parent)]
    return argv
