"""The prefix of a server: a directory with a manifest, built under another name and renamed when it is complete."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dbyard.errors import InstallationError
from dbyard.model import Installation

MANIFEST = "installation.json"


@dataclass(frozen=True, slots=True)
class Package:
    """A package that was unpacked, with its SHA-256."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The result of a recipe; `libraries` are directories of the tree for LD_LIBRARY_PATH.

    A `whole` tree is a root with all that the server needs of a system. `bin` is where the server's programs are, if
    that is not where the recipe says: a bundle may hold what a fallback has made.
    """

    source: str
    packages: tuple[Package, ...]
    libraries: tuple[str, ...]
    whole: bool = False
    bin: str | None = None


def read(root: Path) -> Installation | None:
    """The installation in a directory; None if it is not complete."""
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        return Installation(
            technology=manifest["technology"],
            version=manifest["version"],
            full_version=manifest["full_version"],
            bin=root / manifest["bin"],
            libraries=tuple(root / each for each in manifest["libraries"]),
            root=root,
            source=manifest["source"],
            whole=manifest.get("whole", False),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_packages(root: Path) -> tuple[Package, ...]:
    """The packages of the installation in a directory; empty if it is not complete."""
    try:
        return tuple(Package(**each) for each in json.loads((root / MANIFEST).read_text())["packages"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def write(installation: Installation, packages: Sequence[Package]) -> None:
    """Write the manifest. Its paths are relative, so the prefix can be moved or mounted elsewhere."""
    root = installation.root
    manifest = {
        "technology": installation.technology,
        "version": installation.version,
        "full_version": installation.full_version,
        "bin": str(installation.bin.relative_to(root)),
        "libraries": [str(each.relative_to(root)) for each in installation.libraries],
        "source": installation.source,
        "whole": installation.whole,
        "packages": [asdict(each) for each in packages],
    }
    path = root / MANIFEST
    path.write_text(json.dumps(manifest, indent=2) + "\n")
    path.chmod(0o644)


def publish(partial: Path, final: Path) -> None:
    """Rename a complete tree. Its files reach the disk before the name does, so a name never stands for half a tree."""
    os.sync()
    partial.rename(final)
    directory = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def make_home(home: Path) -> None:
    """Create DBYARD_ENGINES. As root, every instance's uid must be able to reach it."""
    missing = [path for path in (home, *home.parents) if not path.exists()]
    home.mkdir(parents=True, exist_ok=True)
    for path in missing:
        path.chmod(0o755)
    if os.geteuid() == 0:
        _refuse_unsearchable(home)


def make_readable(tree: Path) -> None:
    """Readable by every uid, writable by the owner only, without set-uid bits."""
    for directory, _, names in os.walk(tree):
        os.chmod(directory, 0o755)  # noqa: S103
        for name in names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, 0o755 if mode & 0o111 else 0o644)


def free_path(path: Path) -> Path:
    """The path, or `PATH+2` and so on if it is taken by the same version from other packages."""
    builds = (path.with_name(f"{path.name}+{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], builds) if each.is_symlink() or not each.exists())


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Only one process or thread at a time; the kernel releases the lock of a process that died."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_searchable(directory: Path) -> bool:
    """Whether every user may enter it. If even / is closed, servers run only in sandboxes, with a root of their own."""
    return bool(directory.stat().st_mode & stat.S_IXOTH)


def _refuse_unsearchable(home: Path) -> None:
    for path in (home, *home.parents)[:-1]:
        if not is_searchable(path):
            raise InstallationError(
                f"{home} cannot hold database servers: their uids may not enter {path}. "
                "Choose another directory with DBYARD_ENGINES."
            )
