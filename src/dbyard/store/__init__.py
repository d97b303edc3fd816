"""The platform's state in one SQLite file in WAL mode: reads per thread, one writer at a time.

What a client was told survives a power cut (synchronous=FULL); how far an operation has come need not.

One process owns the file, so what `cached` keeps until the next commit is exact. The queries are plain functions of a
connection in the modules beside this one: one small function a query.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

from dbyard.errors import ConfigError, Unavailable
from dbyard.store.reserve import Reserve, extend_state

log = logging.getLogger(__name__)

T = TypeVar("T")
Connection = sqlite3.Connection

RESTORE = "put state/dbyard.db back from a backup (dbyard state restore), or rebuild it (dbyard state rebuild)"
_CACHE_LIMIT = 4096
_NOTHING = (-1, None)


class Store:
    def __init__(self, path: Path, reserve: Reserve | None = None, steady: Callable[[], float] | None = None) -> None:
        """Open the file at `path`, making it and bringing its schema up to date. Raises ConfigError.

        The `reserve` is given back when the disk is full. `steady` is the clock by which operations are due and late;
        without one it is the clock of the callers.
        """
        self._steady = steady
        self.opened_at = steady() if steady else 0.0
        """By the steady clock: what is older was told by another one, before this start."""
        self._path = path
        self._reserve = reserve
        self._local = threading.local()
        self._all: list[Connection] = []
        self._lock = threading.Lock()
        self._cache: dict[Any, Any] = {}
        self._version = 0
        self.trouble: str | None = None
        """Why the last write failed; None when it did not."""
        try:
            self._writer = self._connect()
            check_whole(self._writer)
            migrate(self._writer)
        except sqlite3.DatabaseError as error:
            advice = f"; {RESTORE}" if _is_damage(error) else ""
            raise ConfigError(f"cannot use the state file {path}: {error}{advice}") from error
        except (sqlite3.Error, ConfigError) as error:
            raise ConfigError(f"cannot use the state file {path}: {error}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """This thread's own connection, for queries only. Raises Unavailable when the disk refuses it."""
        try:
            connection = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = self._connect()
                connection.execute("PRAGMA query_only = ON")
            yield connection
        except sqlite3.DatabaseError as error:
            if _is_of_the_disk(error) or _is_damage(error):
                raise Unavailable(self._describe("read", error)) from error
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """As `read`, with all queries as of one moment. Nothing may be `cached` inside: it could be too old to keep."""
        with self.read() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def tx(self, *, durable: bool = True) -> Iterator[Connection]:
        """One write transaction: all of it or nothing. Raises Unavailable when the disk refuses it.

        Without `durable` a power cut may undo it (never the death of this process): for what is then done again.
        """
        with self._lock:
            try:
                self._writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
                self.trouble = None
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.DatabaseError) and (_is_of_the_disk(error) or _is_damage(error)):
                    if error.sqlite_errorcode == sqlite3.SQLITE_FULL and self._reserve is not None:
                        self._reserve.give_back()  # for whoever asks again
                    self.trouble = self._describe("write", error)
                    raise Unavailable(self.trouble) from error
                raise
            finally:
                self._version += 1
                self._cache.clear()

    def forget_cached(self) -> None:
        """What is `cached` depends on more than the store, and that has changed."""
        with self._lock:
            self._version += 1
            self._cache.clear()

    def check_writable(self) -> None:
        """Write what is there already; raises Unavailable when the disk refuses it."""
        with self.tx(durable=False) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version}")

    def cached(self, key: Any, load: Callable[[Connection], T]) -> T:
        """What `load` read for `key`, kept until the next commit."""
        version, value = self._cache.get(key, _NOTHING)
        if version == self._version:
            return cast(T, value)
        version = self._version  # before reading: a commit from here on makes what we read old
        with self.read() as connection:
            value = load(connection)
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        self._cache[key] = (version, value)
        return value

    def steady(self, now: float) -> float:
        """When it is `now`, by the clock that operations are scheduled by; SQL knows it as `steady(now)`."""
        return now if self._steady is None else self._steady()

    def set_aside(self) -> None:
        """Keep room for writes on a disk that is full, the reserve included. Repeating is free."""
        if self._reserve is not None:
            self._reserve.ensure()
        try:
            with self._lock:
                extend_state(self._path, self._writer)
        except sqlite3.OperationalError as error:
            if not _is_of_the_disk(error):
                raise
            log.warning("no room can be set aside for the state: %s", error)

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    def _describe(self, what: str, error: sqlite3.DatabaseError) -> str:
        if _is_damage(error):
            log.error("the state file %s is damaged: %s; stop the platform, and %s", self._path, error, RESTORE)
            return f"the platform's state is damaged: {error}"
        return f"the platform cannot {what} its state: {error}"

    def _connect(self) -> Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.row_factory = sqlite3.Row
        connection.create_function("steady", 1, self.steady)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        self._all.append(connection)
        return connection


@contextmanager
def open_readonly(path: Path) -> Iterator[Connection]:
    """The state file of another platform, which may be at work on it, for queries only. Raises sqlite3.Error."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def copy(source: Connection, path: Path) -> None:
    """Write what another process or thread may be writing to as of one moment, as one file. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")  # nothing of it is in files beside it


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """What the file holds is no whole database."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def check_whole(connection: Connection) -> None:
    """Raises ConfigError for a file of which a part is damaged; it takes a second for each gigabyte."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise ConfigError(f"it is damaged ({found}); {RESTORE}")


def _is_of_the_disk(error: sqlite3.DatabaseError) -> bool:
    """Full, broken, read-only or locked; anything else is a mistake of ours."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return isinstance(error, sqlite3.OperationalError) and code & 0xFF != sqlite3.SQLITE_ERROR


def migrate(connection: Connection, up_to: int | None = None) -> None:
    """Apply the numbered files of `schema/` that the database has not seen, each in its own transaction.

    Raises ConfigError for the state of a newer program.
    """
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    migrations = _migrations()
    newest = migrations[-1][0]
    if done > newest:
        raise ConfigError(
            f"it was written by a newer dbyard (schema {done}, this one knows {newest}): start that one,"
            " or put back the state that was kept before the upgrade"
        )
    for number, script in migrations:
        if number > done and (up_to is None or number <= up_to):
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")


def _migrations() -> list[tuple[int, str]]:
    files = [file for file in resources.files("dbyard.schema").iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name.split("_")[0]), file.read_text(encoding="utf-8")) for file in files)
