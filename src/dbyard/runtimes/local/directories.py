"""The directories of a home that hold servers, and what is written beside each server's own files.

instances/ID/   placement.json     its slot                       data/  log/  run/   the server's own, 0700
                process.json       the server started last        conf/               read-only for the server
                process-NAME.json  the same of a process beside the server
                stopping.json      which process was asked to stop, and when
                initialised        its init commands are done
                output.log         what the server printed; output-NAME.log of a process beside it
                manifest.json      what the platform knows of it, sealed
                group.json         its control group, where that is not called after the instance
spares/KIND-ID/ the same, finished and waiting to be claimed by one rename; of some kinds the server runs
spares/.ID/     the same, unfinished
endpoints/      one record each
jobs/ID/        a job and its work directory
trash/ID/       an instance or spare on its way out
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import stat
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from dbyard.model import MIB, File

_OWN = ("data", "log", "run")
INITIALISED = "initialised"
_GROUP = "group.json"
_MANIFEST = "manifest.json"
LOG_BYTES = 64 * MIB
LOG_KEPT_BYTES = MIB
_USUAL_LINE = 512
_MOST_FILES = 5000
_LONGEST_TAIL = 4 * MIB
"""Bytes of a log beyond which no more is read to find the beginning of a line."""


def make_home(home: Path) -> None:
    """The parents of all servers and jobs: passable for every uid, listable for root alone."""
    for directory in (home, *(home / name for name in ("instances", "spares", "jobs", "trash"))):
        directory.mkdir(parents=True, exist_ok=True)
        if stat.S_IMODE(directory.stat().st_mode) != 0o711:  # on a read-only home not even the same can be set
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


def write_conf(files: Sequence[File], uid: int) -> None:
    """Write each file whole, for the server's eyes only; untouched when it holds the same already."""
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
    """What `write_json` wrote; None when there is nothing, or nothing whole: the machine lost its power meanwhile."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_group(directory: Path, name: str) -> None:
    write_json(directory / _GROUP, {"name": name}, durable=False)


def read_group(directory: Path) -> str | None:
    """The control group that the server was given; None when it is called after the instance."""
    value = read_json(directory / _GROUP)
    return str(value["name"]) if value else None


def write_manifest(directory: Path, manifest: str) -> None:
    """Where there is the directory."""
    if directory.is_dir():
        write_json(directory / _MANIFEST, {"sealed": manifest}, durable=True)


def read_manifest(directory: Path) -> str | None:
    value = read_json(directory / _MANIFEST)
    return str(value["sealed"]) if value else None


def list_port_records(home: Path) -> Iterator[dict[str, object]]:
    """Every record of a home that holds a port: of slots (those in the trash too) and of endpoints."""
    slots = (path / "placement.json" for parent in ("instances", "spares", "trash") for path in _list(home / parent))
    for path in (*slots, *(path for path in _list(home / "endpoints") if path.suffix == ".json")):
        if value := read_json(path):
            yield value


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
    return [line for path in _shown_logs(directory) for line in tail(path, lines)][-lines:]


def log_state(directory: Path) -> str:
    """The sizes of these files, and when they were written last."""
    return " ".join(map(_describe, _shown_logs(directory)))


def data_state(directory: Path) -> str:
    """A digest of when its files were written last; empty for one with no such directory, or with too many files."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        with os.scandir(fd) as entries:
            found = [_describe_entry(entry) for entry in islice(entries, _MOST_FILES + 1)]
    finally:
        os.close(fd)
    return str(zlib.crc32("\n".join(sorted(found)).encode())) if len(found) <= _MOST_FILES else ""


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file that may be a server's own, none of them cut; a link in its place is not followed."""
    size = _USUAL_LINE * lines + 1
    while True:
        text = _read_end(path, size)
        is_whole = len(text) < size
        found = text.decode("utf-8", errors="replace").removesuffix("\n").split("\n") if text else []
        found = found if is_whole else found[1:]  # the first has its beginning before what was read
        if is_whole or len(found) >= lines or size > _LONGEST_TAIL:
            return [line.removesuffix("\r") for line in found[-lines:]]
        size *= 8


def list_logs(directory: Path) -> list[Path]:
    """All log files of a server and of the processes beside it."""
    return [*directory.glob("output*.log"), directory / "log" / "server.log"]


def trim_log(path: Path) -> None:
    """Cut a log file that has grown too large down to its last lines, in place: servers append."""
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
            file.write(kept[kept.find(b"\n") + 1 :] or kept)  # begins with a whole line, if there is one


def _shown_logs(directory: Path) -> tuple[Path, Path]:
    return directory / "output.log", directory / "log" / "server.log"


def _describe(path: Path) -> str:
    try:
        found = path.lstat()
    except OSError:
        return "-"
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _describe_entry(entry: os.DirEntry[str]) -> str:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return entry.name  # gone since
    return f"{entry.name}:{found.st_size}:{found.st_mtime_ns}"


def _list(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def _create(path: Path, content: bytes, *, durable: bool = False) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(fd)


def _give_to_group(path: Path, uid: int, mode: int) -> None:
    """As root the server reads by its group what it cannot change; else the files are its own, and private."""
    if os.geteuid() == 0:
        os.chown(path, 0, uid)
        path.chmod(mode)
    else:
        path.chmod(mode & 0o700)


def read_end(path: Path, size: int) -> str:
    """At most the last `size` bytes of a file that may be a server's own; empty when there is no such file."""
    return _read_end(path, size).decode("utf-8", errors="replace")


def _read_end(path: Path, size: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""  # not there yet, or a link that a server put where its file belongs
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            return b""
        file.seek(max(0, found.st_size - size))
        return file.read(size)
