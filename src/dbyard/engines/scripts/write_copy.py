"""Write a tar of a server's files as they are at one moment: `write_copy.py DATA GROWING CHANGING PATTERN...`.

A program of its own, run by the system's Python. All files are opened before the first one is written out: what the
server removes after that can be read all the same, and nothing is left behind if this program is killed.

The server gives every file a new name, or puts a new one in its place, but for those whose names end on GROWING, which
become longer, and on CHANGING, which are short and written over.
"""

import glob
import io
import os
import resource
import stat
import sys
import tarfile
import time

PATIENCE = 60.0

Opened = dict[str, int]
Look = dict[str, "int | bytes"]


def main(data: str, growing: str, changing: str, patterns: list[str]) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.chdir(data)
    opened, look = open_all(patterns, growing, changing)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for name, descriptor in sorted(opened.items()):
            told, seen = os.fstat(descriptor), look.get(name)
            entry = tarfile.TarInfo(name)
            entry.mode, entry.mtime = 0o600, int(told.st_mtime)
            if isinstance(seen, bytes):
                entry.size = len(seen)
                tar.addfile(entry, io.BytesIO(seen))
                continue
            entry.size = told.st_size if seen is None else seen
            with os.fdopen(descriptor, "rb") as file:
                tar.addfile(entry, file)


def open_all(patterns: list[str], growing: str, changing: str) -> tuple[Opened, Look]:
    """A descriptor of each file, and the moment's sizes of those that grow and contents of those that change."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        before = list_all(patterns)
        opened: Opened = {}
        try:
            for name in before:
                opened[name] = os.open(name, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            close_all(opened)
            continue
        look = find_moment(opened, growing, changing, deadline)
        if list_all(patterns) == before:
            return opened, look
        close_all(opened)
    sys.exit("the server replaces its files faster than they can be opened")


def list_all(patterns: list[str]) -> dict[str, int]:
    """The names of all files with what tells each from another one of its name."""
    found = {}
    for pattern in patterns:
        for name in glob.glob(pattern):
            try:
                told = os.lstat(name)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(told.st_mode):
                found[name] = told.st_ino
    return found


def find_moment(opened: Opened, growing: str, changing: str, deadline: float) -> Look:
    """What two looks at all of these files have in common: between them nothing was written."""
    last = look_at(opened, growing, changing)
    while time.monotonic() < deadline:
        look = look_at(opened, growing, changing)
        if look == last:
            return look
        last = look
    sys.exit("the server writes to its logs faster than they can be looked at")


def look_at(opened: Opened, growing: str, changing: str) -> Look:
    look: Look = {}
    for name, descriptor in opened.items():
        if name.endswith(growing):
            look[name] = os.fstat(descriptor).st_size
        elif changing and name.endswith(changing):
            look[name] = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    return look


def close_all(opened: Opened) -> None:
    for descriptor in opened.values():
        os.close(descriptor)


if __name__ == "__main__":
    where, grows, changes, *stored = sys.argv[1:]
    main(where, grows, changes, stored)
