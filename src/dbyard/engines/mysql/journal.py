"""The binary log, read as a replica reads it.

A position counts the bytes of all events that were ever written, so files and their beginnings are left out. Where the
oldest file that is there begins stands in a table of the server's own, which no tenant writes to, together with what
tells this journal from every other: MariaDB has nothing of that kind. Another version of the server begins another
journal.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.events import MAGIC, ROTATE, parse
from dbyard.engines.mysql.names import JOURNAL_TABLE
from dbyard.engines.mysql.session import connect, guard, log_in_admin, message
from dbyard.engines.mysql.sizes import FILES_KEPT
from dbyard.errors import JournalLost, NotReady, TemporaryError
from dbyard.model import Address, Credentials, JournalMark, JournalPart

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

JOURNAL = "."
_MAKE = f"""
    CREATE TABLE IF NOT EXISTS {JOURNAL_TABLE} (
        id INT PRIMARY KEY, identity CHAR(36) NOT NULL, file VARCHAR(255) NOT NULL, position BIGINT NOT NULL
    ) ENGINE=InnoDB"""
_SILENCE = 10.0
"""Seconds after which a server that says nothing is given up."""
_AGAIN = 0.01
_DUMP, _UP_TO_THE_END, _WITH_ALL = 0x12, 1, 2
"""A command of the protocol; flags of it: it ends where the log does, and nothing that stands in it is left out."""
_REPLICA = "SET @source_binlog_checksum = 'CRC32', @master_binlog_checksum = 'CRC32', @mariadb_slave_capability = 4"
"""What a replica says that takes events as they are."""
_GONE = (1236,)
_NO_TABLE = 1146
_LEAST = 512
"""Bytes of a file that is as good as new."""
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of the log: the journal's position at which its events begin, and how many bytes they are."""

    name: str
    start: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Log:
    identity: str
    files: tuple[LogFile, ...]
    most: int
    """As many bytes of it a server keeps."""

    @property
    def end(self) -> int:
        return self.files[-1].end


def keep_journal(address: Address, credentials: Credentials) -> JournalMark | None:
    """From the beginning of a new file on."""
    with _session(address, credentials) as session:
        if not _is_on(session):
            return None
        session.execute(_MAKE)
        log = _look(session) or _begin(session)
        if log.files[-1].length > _LEAST:
            session.execute("FLUSH BINARY LOGS")
            log = _look(session) or _begin(session)
        return JournalMark(log.identity, log.files[-1].start)


def read_journal(
    address: Address, credentials: Credentials, mark: JournalMark, most: int
) -> AbstractContextManager[JournalPart]:
    """Whole events: where one is longer than that, more than `most` bytes."""
    return _read(address, credentials, mark, most)


def bound_journal(address: Address, credentials: Credentials) -> None:
    """Have the server keep no more of its log than it may, where nobody reads it. Raises NotReady."""
    with _session(address, credentials) as session:
        if _is_on(session):
            session.execute(_MAKE)
            _drop_excess(session, _look(session) or _begin(session))


@contextmanager
def _session(address: Address, credentials: Credentials) -> Iterator[Cursor]:
    try:
        with connect(address, credentials.admin_password) as session:
            session.execute(guard(session).LET_GO)
            yield session
    except TemporaryError as error:
        raise NotReady(str(error)) from error


@contextmanager
def _read(address: Address, credentials: Credentials, mark: JournalMark, most: int) -> Iterator[JournalPart]:
    with _session(address, credentials) as session:
        log = _look(session) if _is_on(session) else None
        if log is None or log.identity != mark.identity or not log.files[0].start <= mark.position <= log.end:
            raise JournalLost(f"the server goes on with another log, which does not continue {mark}")
        if log.end - mark.position > log.most:
            _drop_excess(session, log)
            raise JournalLost(f"the server may keep {log.most} bytes of its log, and has more that was not read")
    if log.end == mark.position:
        yield JournalPart(log.end, iter(()))
        return
    end = log.end
    if end - mark.position > most:
        end = mark.position
        for event in _receive(address, credentials, log, mark.position, log.end):
            end += len(event)
            if end - mark.position >= most:
                break
    yield JournalPart(end, _receive(address, credentials, log, mark.position, end))
    with _session(address, credentials) as session:
        _purge(session, next(each for each in reversed(log.files) if each.start <= end))


def _receive(address: Address, credentials: Credentials, log: Log, start: int, end: int) -> Iterator[bytes]:
    """The events from `start` up to `end`; raises as `read_journal` when the server ends before."""
    import pymysql

    position = start
    deadline = time.monotonic() + _SILENCE
    while position < end:
        try:
            with closing(log_in_admin(address, credentials.admin_password, _SILENCE)) as connection:
                for event in _receive_once(connection, log, position):
                    position += len(event)
                    deadline = time.monotonic() + _SILENCE
                    yield event
                    if position >= end:
                        break
        except pymysql.MySQLError as error:
            said = f"the server does not send its log: {message(error)}"
            raise (JournalLost if error.args and error.args[0] in _GONE else NotReady)(said) from error
        if time.monotonic() > deadline:
            raise NotReady(f"the server sends nothing of its log for {_SILENCE:.0f} s")
        if position < end:
            time.sleep(_AGAIN)  # what it is making durable just now
    if position > end:
        raise NotReady("the server sends another log than it has told")


def _receive_once(connection: Connection[Cursor], log: Log, start: int) -> Iterator[bytes]:
    """Up to where the log ends by now."""
    file = next(each for each in reversed(log.files) if each.start <= start)
    offset = start - file.start + len(MAGIC)
    with connection.cursor() as session:
        session.execute(_REPLICA)
    asked = offset.to_bytes(4, "little") + (_UP_TO_THE_END | _WITH_ALL).to_bytes(2, "little") + bytes(4)
    protocol: Any = connection  # as replicas use it: PyMySQL has no public name for it
    protocol._execute_command(_DUMP, asked + file.name.encode())
    while True:
        packet = protocol._read_packet()
        if packet.is_eof_packet():
            return
        data = packet.get_all_data()[1:]
        try:
            event = parse(data)
        except ValueError as error:
            raise NotReady(f"the server sends what is no log: {error}") from error
        if event.kind == ROTATE and event.is_artificial:
            offset = int.from_bytes(data[19:27], "little")
        if event.is_artificial:
            continue
        if event.length != len(data) or event.end not in (0, (offset + len(data)) & 0xFFFFFFFF):
            raise NotReady(f"the server sends its log up to {event.end} instead of {offset + len(data)}")
        offset += len(data)
        yield data


# ---- what the server has ----------------------------------------------------------------------------------------


def _is_on(session: Cursor) -> bool:
    session.execute("SELECT @@log_bin")
    row: Any = session.fetchone()
    return bool(row[0])


def _look(session: Cursor) -> Log | None:
    """None where no journal has begun, or where its files are not those of the table any more."""
    import pymysql

    try:
        session.execute(f"SELECT identity, file, position, version(), @@max_binlog_size FROM {JOURNAL_TABLE}")  # noqa: S608
    except pymysql.ProgrammingError as error:
        if error.args[0] != _NO_TABLE:
            raise
        return None
    row: Any = session.fetchone()
    if row is None:
        return None
    identity, name, position, version, size = row
    listed = _list(session)
    names = [each for each, _ in listed]
    if name not in names:
        return None
    first, files = names.index(name), []
    position -= sum(length for _, length in listed[:first])
    for each, length in listed:
        files.append(LogFile(each, position, length))
        position += length
    return Log(f"{identity}-{number_of(version)}", tuple(files), size * FILES_KEPT)


def _begin(session: Cursor) -> Log:
    """Another journal, with the file that is written now."""
    session.execute("FLUSH BINARY LOGS")
    name = _list(session)[-1][0]
    session.execute(f"REPLACE INTO {JOURNAL_TABLE} VALUES (1, uuid(), %s, 0)", (name,))  # noqa: S608
    session.connection.commit()
    log = _look(session)
    if log is None:
        raise NotReady("the server does not keep where its log begins")
    _purge(session, log.files[-1])
    return log


def _list(session: Cursor) -> list[tuple[str, int]]:
    session.execute("SHOW BINARY LOGS")
    found: Any = session.fetchall()
    return [(row[0], max(int(row[1]) - len(MAGIC), 0)) for row in found]


def _drop_excess(session: Cursor, log: Log) -> None:
    kept = next(each for each in log.files if log.end - each.start <= log.most or each is log.files[-1])
    _purge(session, kept)


def _purge(session: Cursor, kept: LogFile) -> None:
    """What is before that file. Where it begins is written down first: a kill in between loses nothing."""
    listed = _list(session)
    if listed[0][0] == kept.name or kept.name not in [name for name, _ in listed]:
        return
    session.execute(f"UPDATE {JOURNAL_TABLE} SET file = %s, position = %s", (kept.name, kept.start))  # noqa: S608
    session.connection.commit()
    session.execute("PURGE BINARY LOGS TO %s", (kept.name,))


def number_of(version: str) -> str:
    """9.7.4 as 90704: a name without full stops."""
    found = _NUMBERS.match(version)
    return f"{int(found[1])}{int(found[2]):02d}{int(found[3]):02d}" if found else "0"
