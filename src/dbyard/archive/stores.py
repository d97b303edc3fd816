"""Objects of an archive as plain bytes. After a kill an object is there as a whole or as it was before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from dbyard.archive.locations import Location
from dbyard.errors import ArchiveUnavailable, ObjectMissing

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store

_PIECE = 1 << 20
_NEW = ".new"
_PLAIN_HTTP = "http://"
_CONNECT_SECONDS, _ANSWER_SECONDS = "5s", "60s"
_RETRIES = 3
_LOOK_SECONDS, _LOOK_RETRIES = "15s", 1
"""Of what carries no content: threads of the platform wait for it."""
_SPAN = 8 << 20
_PART, _PARTS = 64 << 20, 2
"""Of an upload: the size of its parts, of which there may be ten thousand, and how many are under way at once."""
_MARK = ".dbyard-archive"
_RESERVE, _MOST_RESERVE = 0.06, 3 << 30
"""Of the file system of a directory, for others than backups: servers on it become read-only a little later."""


class Store(Protocol):
    """Names are relative paths with `/`. Every function raises ArchiveUnavailable when the archive does not serve."""

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write an object whole and durably, in place of one of that name. An error of `chunks` leaves no object."""

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in pieces. Raises ObjectMissing, at the call or at the first piece."""

    def list(self, prefix: str = "") -> list[str]:
        """The names of all objects below a directory, or of all that there are."""

    def list_directories(self, prefix: str = "") -> Sequence[str]:
        """The names of the directories in a directory, without what they hold."""

    def delete(self, names: Sequence[str]) -> None:
        """Remove these objects, where they are there."""

    def delete_all(self, prefix: str) -> None:
        """Remove all objects below a directory, half written ones too. There may be none."""

    def delete_unfinished(self, before: float) -> None:
        """Remove what was half written and left by a kill before that Unix time, where that can be told."""


def prepare(location: Location) -> None:
    """Make a directory an archive, where there is none yet. A bucket is made by whoever owns it."""
    if location.is_directory:
        Directory(location.directory).prepare()


def open_store(location: Location) -> Store:
    """That of the location itself, without its copy."""
    return Directory(location.directory) if location.is_directory else Bucket(location)


class Directory:
    """A directory of this machine, or one that is mounted here."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._existing(name)
        new = path.with_name(f".{path.name}{_NEW}")
        with _told(name):
            _make(path.parent)
        try:
            with _told(name):
                file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                for chunk in chunks:
                    with _told(name):
                        _keep_reserve(file, name)
                        _write_all(file, chunk)
                with _told(name):
                    os.fsync(file)
            finally:
                os.close(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        with _told(name):
            new.rename(path)
            _sync(path.parent)

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        with _told(name), self._existing(name).open("rb") as file:
            file.seek(start)
            left = None if end is None else max(end - start, 0)
            while piece := file.read(_PIECE if left is None else min(_PIECE, left)):
                left = None if left is None else left - len(piece)
                yield piece

    def list(self, prefix: str = "") -> list[str]:
        with _told(prefix):
            found = os.walk(self._existing(prefix) if prefix else self._checked())
            files = [Path(directory, name) for directory, _, names in found for name in names]
        return sorted(str(path.relative_to(self._root)) for path in files if not path.name.startswith("."))

    def list_directories(self, prefix: str = "") -> Sequence[str]:
        with _told(prefix):
            path = self._existing(prefix) if prefix else self._checked()
            found = list(path.iterdir()) if path.is_dir() else []
        return sorted(each.name for each in found if each.is_dir() and not each.name.startswith("."))

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            with _told(name):
                self._existing(name).unlink(missing_ok=True)

    def delete_all(self, prefix: str) -> None:
        path = self._existing(prefix)
        with _told(prefix):
            for name in reversed(self.list(prefix)):  # the manifest before the data
                self._path(name).unlink()
            if path.is_dir():
                shutil.rmtree(path)

    def delete_unfinished(self, before: float) -> None:
        with _told(str(self._root)):
            for directory, _, names in os.walk(self._checked()):
                left = [Path(directory, name) for name in names if name.startswith(".") and name.endswith(_NEW)]
                for path in left:
                    if path.stat().st_mtime < before:
                        path.unlink()

    def prepare(self) -> None:
        """Make it an archive, if it is none: a directory whose file system is not mounted is none."""
        with _told(str(self._root)):
            _make(self._root)
            (self._root / _MARK).touch(mode=0o600)

    def _existing(self, name: str) -> Path:
        path = self._path(name)
        self._checked()
        return path

    def _checked(self) -> Path:
        mark = self._root / _MARK
        if not mark.exists():
            raise ArchiveUnavailable(f"{self._root} is not mounted, or is no archive yet: then create {mark}")
        return self._root

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/"):
            raise ValueError(f"{name!r} names no object")
        return self._root.joinpath(*parts)


class Bucket:
    """A bucket of a server that speaks S3."""

    def __init__(self, location: Location) -> None:
        self._location = location

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        import obstore

        failed: list[BaseException] = []
        with _told_by_server(name):
            try:
                obstore.put(self._open(), name, _noting(chunks, failed), chunk_size=_PART, max_concurrency=_PARTS)
            except Exception:
                if failed:  # it wraps what it did not raise itself
                    raise failed[0] from None
                raise

    def read(self, name: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """In spans that a slow server gives in time, all of the same object."""
        import obstore

        store = self._open()
        with _told_by_server(name):
            found = obstore.head(store, name)
        end = found["size"] if end is None else min(end, found["size"])
        for first in range(start, end, _SPAN):
            options: GetOptions = {"range": (first, min(first + _SPAN, end)), "if_match": found["e_tag"]}
            with _told_by_server(name):
                yield bytes(obstore.get(store, name, options=options).bytes())

    def list(self, prefix: str = "") -> list[str]:
        import obstore

        with _told_by_server(prefix):
            return sorted(each["path"] for part in obstore.list(self._open_to_look(), prefix or None) for each in part)

    def list_directories(self, prefix: str = "") -> Sequence[str]:
        import obstore

        with _told_by_server(prefix):
            found = obstore.list_with_delimiter(self._open_to_look(), prefix or None)
        return sorted(PurePosixPath(each).name for each in found["common_prefixes"])

    def delete(self, names: Sequence[str]) -> None:
        import obstore

        if names:
            with _told_by_server(names[0]):
                obstore.delete(self._open_to_look(), list(names))

    def delete_all(self, prefix: str) -> None:
        self.delete(self.list(prefix))

    def delete_unfinished(self, before: float) -> None:
        """Its owner has it removed by a rule of the bucket: no listing shows it."""

    def _open_to_look(self) -> S3Store:
        return self._open(_LOOK_SECONDS, _LOOK_RETRIES)

    def _open(self, seconds: str = _ANSWER_SECONDS, retries: int = _RETRIES) -> S3Store:
        from obstore.store import S3Store  # imported late: most platforms keep backups in a directory

        where = self._location
        given = {
            "endpoint": where.endpoint,
            "region": where.region,
            "access_key_id": where.access_key,
            "secret_access_key": where.secret_key,
        }
        return S3Store(
            where.bucket,
            prefix=where.prefix or None,
            config={key: value for key, value in given.items() if value},  # type: ignore[arg-type]
            client_options={
                "allow_http": where.endpoint.startswith(_PLAIN_HTTP),
                "connect_timeout": _CONNECT_SECONDS,
                "timeout": seconds,
            },
            retry_config={"max_retries": retries},
        )


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What a file system's errors mean to the platform."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"the archive has no {name}") from error
    except OSError as error:
        raise ArchiveUnavailable(f"the archive does not serve {name}: {error}") from error


@contextmanager
def _told_by_server(name: str) -> Iterator[None]:
    """What a client's errors mean to the platform."""
    from obstore.exceptions import BaseError, NotFoundError

    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise ObjectMissing(f"the archive has no {name}") from error
    except (OSError, BaseError) as error:
        raise ArchiveUnavailable(f"the archive does not serve {name}: {error}") from error


def _noting(chunks: Iterable[bytes], failed: list[BaseException]) -> Iterator[bytes]:
    try:
        yield from chunks
    except Exception as error:
        failed.append(error)
        raise


def _keep_reserve(file: int, name: str) -> None:
    space = os.fstatvfs(file)
    if space.f_bavail * space.f_frsize < min(_RESERVE * space.f_blocks * space.f_frsize, _MOST_RESERVE):
        raise ArchiveUnavailable(f"the disk of the archive is full but for a reserve: there is no room for {name}")


def _write_all(file: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(file, left) :]


def _make(directory: Path) -> None:
    """With what is above it, for its owner only."""
    for path in (*reversed(directory.parents), directory):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)
            _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
