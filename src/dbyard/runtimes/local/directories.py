"""The directories of a home that hold servers, and what is written beside each server's own files.

instances/ID/   placement.json  where it lives            data/  log/  run/   the server's own, 0700
                process.json    what was started last     conf/               read-only for the server
                initialised     its init commands are done
                output.log      what it printed
                group.json      its control group, where that is not called after the instance
spares/KIND-ID/ the same, finished and waiting to be claimed by one rename; of some kinds the server runs
spares/.ID/     the same, unfinished: anybody's or nobody's
trash/ID/       on its way out
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from dbyard.model import MIB, File, Installation, Layout, Placement

_OWN = ("data", "log", "run")
INITIALISED = "initialised"
_GROUP = "group.json"
LOG_BYTES = 64 * MIB
LOG_KEPT_BYTES = MIB


def make_home(home: Path) -> None:
    """The parents of all servers: passable for every uid, listable for root alone."""
    for directory in (home, home / "instances", home / "spares", home / "trash"):
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)


def build(directory: Path, uid: int) -> None:
    """Lay out an empty server directory; files that are there are left."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o711)
    for name in _OWN:
        (directory / name).mkdir(exist_ok=True)
        os.chown(directory / name, uid, uid)
        (directory / name).chmod(0o700)
    conf = directory / "conf"
    conf.mkdir(exist_ok=True)
    _give_to_group(conf, uid, 0o750)


def change_owner(directory: Path, uid: int) -> None:
    """Give all files of a stopped server to another uid; that of `data` changes last and tells that all is done."""
    for path in (directory / "conf", *(directory / "conf").iterdir()):
        _give_to_group(path, uid, 0o750 if path.is_dir() else 0o640)
    for name in ("log", "run", "data"):
        for path in (*(directory / name).rglob("*"), directory / name):
            os.chown(path, uid, uid, follow_symlinks=False)


def empty(directory: Path) -> None:
    """Remove everything in a directory, but not the directory."""
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def layout(directory: Path, placement: Placement, installation: Installation) -> Layout:
    return Layout(
        host=placement.host,
        port=placement.port,
        data=directory / "data",
        conf=directory / "conf",
        log=directory / "log",
        run=directory / "run",
        bin=installation.bin,
        root=installation.root,
        full_version=installation.full_version,
    )


def write_conf(files: Sequence[File], uid: int) -> None:
    """Write each file whole, readable by the server and nobody else; untouched when it holds the same already."""
    for file in files:
        content = file.content.encode("utf-8", "surrogateescape")
        if not file.path.exists() or file.path.read_bytes() != content:
            new = file.path.with_name(f".{file.path.name}.new")
            _create(new, content)
            _give_to_group(new, uid, 0o640)
            new.rename(file.path)


def write_json(path: Path, value: object, *, durable: bool) -> None:
    """Write at once: readers see the old or the new; after a power cut as well if `durable`."""
    new = path.with_name(f".{path.name}.new")
    _create(new, json.dumps(value).encode(), durable=durable)
    new.rename(path)


def read_json(path: Path) -> dict[str, object] | None:
    """What `write_json` wrote; None when there is nothing."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return value if isinstance(value, dict) else None


def write_placement(directory: Path, placement: Placement) -> None:
    write_json(directory / "placement.json", asdict(placement), durable=True)


def read_placement(directory: Path) -> Placement | None:
    value = read_json(directory / "placement.json")
    return Placement(**value) if value else None  # type: ignore[arg-type]


def write_group(directory: Path, name: str) -> None:
    write_json(directory / _GROUP, {"name": name}, durable=False)


def read_group(directory: Path) -> str | None:
    """The control group that the server was given; None when it is called after the instance."""
    value = read_json(directory / _GROUP)
    return str(value["name"]) if value else None


def ports_of(home: Path) -> set[int]:
    """The ports on which this home has placed instances and spares, those on their way out included.

    Raises PermissionError when the home is somebody else's.
    """
    placements = (read_placement(directory) for directory in _servers(home))
    return {placement.port for placement in placements if placement}


def sync(directory: Path) -> None:
    """Make a whole tree durable (its file system is synced once: cheaper than a thousand files)."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), f"syncfs {directory}")
    finally:
        os.close(fd)


def last_lines(directory: Path, lines: int) -> list[str]:
    """The last lines of the server's log files, oldest first: its own log after what it printed at start."""
    found: list[str] = []
    for path in _logs(directory):
        found += _tail(path, lines)
    return found[-lines:]


def trim_logs(directory: Path) -> None:
    """Cut log files that have grown too large down to their last lines, in place: servers append."""
    for path in _logs(directory):
        _trim(path)


def _logs(directory: Path) -> tuple[Path, Path]:
    """What the server printed, where some have all their log, and the log that it writes itself."""
    return directory / "output.log", directory / "log" / "server.log"


def _trim(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # not there, or a link that a server put where its log belongs
    with open(fd, "r+b", buffering=0) as file:
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_size > LOG_BYTES:
            file.seek(-LOG_KEPT_BYTES, os.SEEK_END)
            kept = file.read()
            file.truncate(0)
            file.write(kept)


def _servers(home: Path) -> Iterator[Path]:
    for parent in ("instances", "spares", "trash"):
        try:
            yield from (home / parent).iterdir()
        except FileNotFoundError:
            continue


def _create(path: Path, content: bytes, *, durable: bool = False) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(fd)


def _give_to_group(path: Path, uid: int, mode: int) -> None:
    """As root the server reads by its group what it cannot change; else the files are its own, and nobody else's."""
    if os.geteuid() == 0:
        os.chown(path, 0, uid)
        path.chmod(mode)
    else:
        path.chmod(mode & 0o700)


def _tail(path: Path, lines: int) -> list[str]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []  # not there yet, or a link that a server put where its log belongs
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return []
        file.seek(max(0, os.fstat(fd).st_size - 512 * lines))
        text = file.read().decode("utf-8", errors="replace")
    return text.splitlines()[-lines:]
