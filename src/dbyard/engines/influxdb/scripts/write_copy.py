"""Write a tar of what a running server has stored: `write_copy.py DATA`, with the server's users, points and log.

A program of its own, run by the system's Python. All files are opened before the first one is read: what the server
removes after that can be read all the same, and nothing is left behind if this program is killed.
"""

import glob
import os
import resource
import sys
import tarfile
import time

STORED = ("meta/meta.db", "data/*/*/*/*.tsm", "data/*/*/*/*.tombstone", "data/*/*/*/fields.idx", "wal/*/*/*/*.wal")
"""Not the numbers of series, which a start gives out anew. Files are replaced as a whole; a log grows at its end."""
LOG = ".wal"
PATIENCE = 60.0

Names = dict[str, int]


def main(data: str) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.chdir(data)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for name, (descriptor, size) in sorted(open_all().items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = size, 0o600, int(os.fstat(descriptor).st_mtime)
            with os.fdopen(descriptor, "rb") as file:
                tar.addfile(entry, file)


def open_all() -> dict[str, tuple[int, int]]:
    """A descriptor of each file, and its size: all of them as they were at one moment."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        before = list_all()
        opened = {}
        try:
            for name in before:
                opened[name] = os.open(name, os.O_RDONLY)
        except FileNotFoundError:
            close_all(opened)
            continue
        sizes = measure(opened, deadline)
        if list_all() == before:
            return {name: (descriptor, sizes[name]) for name, descriptor in opened.items()}
        close_all(opened)
    sys.exit("the server replaces its files faster than they can be opened")


def list_all() -> Names:
    """The names of all files with what tells each from another one of its name."""
    found = {}
    for pattern in STORED:
        for name in glob.glob(pattern):
            try:
                found[name] = os.stat(name).st_ino
            except FileNotFoundError:
                continue
    return found


def measure(opened: Names, deadline: float) -> Names:
    """The sizes at one moment: as nothing grew between two looks at all logs."""
    sizes = {name: os.fstat(descriptor).st_size for name, descriptor in opened.items()}
    logs = {name: descriptor for name, descriptor in opened.items() if name.endswith(LOG)}
    while time.monotonic() < deadline:
        found = {name: os.fstat(descriptor).st_size for name, descriptor in logs.items()}
        if found.items() <= sizes.items():
            return sizes
        sizes |= found
    sys.exit("the server writes to its logs faster than they can be looked at")


def close_all(opened: Names) -> None:
    for descriptor in opened.values():
        os.close(descriptor)


if __name__ == "__main__":
    main(sys.argv[1])
