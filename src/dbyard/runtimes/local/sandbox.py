"""The argv that puts a program into its sandbox: cgroup, rlimits, own namespaces, own uid, no privileges.

    a thread of ours (holds all that it starts to its ports)
       -> sh (joins the cgroup, sets rlimits) -> bwrap (own pid, ipc, mount namespaces; the system call filter)
       -> setpriv (drops root) -> program

Each one replaces itself by the next, but bwrap, which stays outside and waits. Paths are the same inside and outside.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dbyard.model import Installation
from dbyard.roots import NAMESPACES, show_system

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILTER_FD = 4
_NOTHING_GAINED = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One program's surroundings: what it may see, who it is, and the files to join its cgroup by.

    `directory` holds its `passwd`; it starts in `workdir`, which is among `writable`. `address_space` is in bytes.
    """

    directory: Path
    workdir: Path
    writable: tuple[Path, ...]
    readable: tuple[Path, ...]
    uid: int
    installation: Installation
    cgroup: tuple[Path, ...] = ()
    address_space: int | None = None
    nice: int = 0
    syscall_filter: Path | None = None
    """A file with the filter that its system calls pass, see `syscalls`; only with bubblewrap."""
    ports: frozenset[int] | None = None
    """Where it may listen, see `own_ports`; None for anywhere."""
    is_init: bool = True
    """It is the first process of its pid namespace: all others end with it, and it ignores most signals."""


def for_instance(
    directory: Path,
    uid: int,
    installation: Installation,
    cgroup: tuple[Path, ...] = (),
    nice: int = 0,
    syscall_filter: Path | None = None,
    ports: frozenset[int] | None = None,
) -> SandboxSpec:
    """Of the processes of an instance; what differs from one to the other is not in it."""
    writable = (directory / "data", directory / "log", directory / "run")
    return SandboxSpec(
        directory,
        directory / "run",
        writable,
        (directory / "conf",),
        uid,
        installation,
        cgroup,
        nice=nice,
        syscall_filter=syscall_filter,
        ports=ports,
    )


def wrap(box: SandboxSpec, argv: Sequence[str], bubblewrap: Path | None, info_fd: int | None) -> list[str]:
    """The whole argv; with bubblewrap the program's pid is written to `info_fd` as JSON (`child-pid`)."""
    inner = [*_as_uid(box.uid), *argv]
    if bubblewrap is not None:
        inner = [*_bwrap(box, bubblewrap, info_fd), "--", *inner]
    return ["/bin/sh", "-c", _shell(box), "sandbox", *inner]


def environment(box: SandboxSpec, env: Mapping[str, str], marker: tuple[str, str]) -> dict[str, str]:
    """The program's whole environment; `marker` tells its processes where nothing else does."""
    base = {
        "PATH": _SYSTEM_PATH if box.installation.whole else f"{box.installation.bin}:{_SYSTEM_PATH}",
        "HOME": str(box.workdir),
        "TMPDIR": str(box.workdir),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        marker[0]: marker[1],
    }
    if box.installation.libraries:
        base["LD_LIBRARY_PATH"] = ":".join(str(path) for path in box.installation.libraries)
    return {**base, **env}


def passwd(uid: int) -> str:
    """Some programs insist on a name for their uid."""
    return f"root:x:0:0:root:/root:/bin/sh\ndbyard:x:{uid}:{uid}:dbyard:/:/bin/false\n"


def _shell(box: SandboxSpec) -> str:
    parts = [f"echo 0 > {shlex.quote(str(path))}" for path in box.cgroup]
    parts += ["ulimit -c 0", f"cd {shlex.quote(str(box.workdir))}"]
    if box.address_space is not None:
        parts.append(f"ulimit -v {box.address_space // 1024}")
    program = f'nice -n {box.nice} "$@"' if box.nice else '"$@"'
    opened = f" {_FILTER_FD}< {shlex.quote(str(box.syscall_filter))}" if box.syscall_filter else ""
    return " && ".join([*parts, f"exec {program}{opened}"])


def _as_uid(uid: int) -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *_NOTHING_GAINED]


def _bwrap(box: SandboxSpec, bubblewrap: Path, info_fd: int | None) -> list[str]:
    root = box.installation.root
    argv = [str(bubblewrap), *NAMESPACES]
    if box.is_init:
        argv.append("--as-pid-1")
    if info_fd is not None:
        argv += ["--info-fd", str(info_fd)]
    if box.syscall_filter is not None:
        argv += ["--seccomp", str(_FILTER_FD)]
    argv += show_system(root if box.installation.whole else None)
    if box.installation.whole:  # not before: this machine cannot run its programs
        argv += ["--setenv", "PATH", f"{box.installation.bin}:{_SYSTEM_PATH}"]
    argv += ["--ro-bind", str(box.directory / "passwd"), "/etc/passwd", "--proc", "/proc", "--dev", "/dev"]
    argv += ["--perms", "1777", "--tmpfs", "/dev/shm", "--perms", "1777", "--tmpfs", "/tmp"]  # noqa: S108
    argv += _parents([*box.writable, *box.readable, root])
    if not root.is_relative_to("/usr"):
        argv += ["--ro-bind", str(root), str(root)]
    for path in box.writable:
        argv += ["--bind", str(path), str(path)]
    for path in box.readable:
        argv += ["--ro-bind", str(path), str(path)]
    return [*argv, "--chdir", str(box.workdir)]


def _parents(paths: Iterable[Path]) -> list[str]:
    """Make the directories above what is bound, passable (bwrap itself would make them 0700)."""
    above = {parent for path in paths for parent in path.parents if not parent.is_relative_to("/usr")}
    above -= {Path("/"), Path("/tmp"), Path("/etc"), Path("/dev")}  # noqa: S108
    argv: list[str] = []
    for parent in sorted(above):
        argv += ["--perms", "0755", "--dir", str(parent)]
    return argv
