"""The write-ahead log, read as a standby reads it: by a slot, which has the server keep what was not read yet.

Nothing is written for that, and no segment ends early: what is durable is read up to the byte.
"""

from __future__ import annotations

import re
import select
import struct
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, NoReturn

from dbyard.engines.postgresql.session import Session, connect
from dbyard.errors import JournalLost, NotReady, TemporaryError
from dbyard.model import Address, Credentials, JournalMark, JournalPart

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

JOURNAL = "pg_wal"
_SLOT = "dbyard_journal"
_SILENCE = 10.0
"""Seconds after which a server that says nothing is given up."""
_OPTIONS = "-c wal_sender_timeout=0"  # an archive may be slower than that
_KEEP = f"""
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
        WHERE slot_name = '{_SLOT}' AND wal_status = 'lost';
    SELECT pg_create_physical_replication_slot('{_SLOT}', true)
        WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{_SLOT}');
    SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
           '0/0'::pg_lsn + div(pg_current_wal_lsn() - '0/0', segment) * segment
    FROM pg_control_system(), pg_size_bytes(current_setting('wal_segment_size')) AS segment"""  # noqa: S608 - a name of ours
_BOUND = "SELECT current_setting('max_slot_wal_keep_size') <> '-1'"
_GONE = ("58P01", "55000", "42704")
"""States of errors: a file of the log is not there, the slot has lost what it kept, or is not there itself."""
_DATA, _HEADER = b"w", 25
"""A message with log: its kind, where it begins, where the log ends, the time; then the log."""
_PLACE = re.compile("([0-9]{1,20}-[0-9]{1,10}) ([0-9A-F]{1,8})/([0-9A-F]{1,8})")
_SILENT = f"PostgreSQL sends nothing of its log for {_SILENCE:.0f} s"
_STATUS = struct.Struct("!cQQQQB")
"""What a standby tells: up to where it has written, made durable and applied; the time; whether it wants an answer."""


def keep_journal(address: Address, credentials: Credentials) -> JournalMark | None:
    """From the beginning of the segment on that is written now, because a server reads whole ones."""
    try:
        with connect(address, credentials.admin_password) as session:
            (is_bound,) = session.execute(_BOUND)
            if is_bound != "t":
                return None
            system, timeline, at = session.execute(_KEEP)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return _mark(system, timeline, at)


def read_journal(
    address: Address, credentials: Credentials, mark: JournalMark, most: int
) -> AbstractContextManager[JournalPart]:
    return _read(address, credentials, mark, most)


@contextmanager
def _read(address: Address, credentials: Credentials, mark: JournalMark, most: int) -> Iterator[JournalPart]:
    with connect(address, credentials.admin_password, options=_OPTIONS, replication=True) as session:
        durable = _find_end(session)
        if durable.identity != mark.identity or durable.position < mark.position:
            raise JournalLost(f"the server goes on with another log: {durable}, which does not continue {mark}")
        end = min(durable.position, mark.position + most)
        if end == mark.position:
            yield JournalPart(end, iter(()))
            return
        reading = _Reading(session.connection)
        reading.begin(mark)
        yield JournalPart(end, reading.read(mark.position, end))
        reading.confirm(end)


class _Reading:
    """One connection in which the server sends its log."""

    def __init__(self, connection: PGconn) -> None:
        self._connection = connection

    def begin(self, mark: JournalMark) -> None:
        from psycopg import pq

        timeline = mark.identity.rpartition("-")[2]
        at = f"{mark.position >> 32:X}/{mark.position & 0xFFFFFFFF:X}"
        with _told():
            self._connection.send_query(f"START_REPLICATION SLOT {_SLOT} PHYSICAL {at} TIMELINE {timeline}".encode())
            while self._connection.is_busy():
                self._await()
            result = self._connection.get_result()
        if result is None or result.status != pq.ExecStatus.COPY_BOTH:
            _refuse(result)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """What the server sends beyond the end is left out. Raises as `read_journal` when it ends before."""
        position = start
        while position < end:
            message = self._receive()
            if message[:1] != _DATA:
                continue
            (begins,) = struct.unpack_from("!Q", message, 1)
            if begins != position or len(message) <= _HEADER:
                raise NotReady(f"PostgreSQL sends its log from {begins:X} on instead of {position:X}")
            piece = bytes(message[_HEADER : _HEADER + end - position])
            position += len(piece)
            yield piece

    def confirm(self, end: int) -> None:
        """The server need not keep what is before. It has heard that when it ends."""
        with _told():
            self._connection.put_copy_data(_STATUS.pack(b"r", end, end, end, 0, 0))
            self._connection.put_copy_end()
        deadline = time.monotonic() + _SILENCE
        while self._take()[0] >= 0:
            if time.monotonic() > deadline:
                raise NotReady("PostgreSQL does not end to send its log")

    def _receive(self) -> memoryview:
        """The next message."""
        deadline = time.monotonic() + _SILENCE
        while True:
            size, message = self._take()
            if size > 0:
                return message
            if size < 0:
                with _told():
                    result = self._connection.get_result()
                _refuse(result)
            if time.monotonic() > deadline:
                raise NotReady(_SILENT)

    def _take(self) -> tuple[int, memoryview]:
        """A message and its length, which is 0 where there is none yet, less where none will come."""
        with _told():
            size, message = self._connection.get_copy_data(1)
            if size == 0:
                self._await()
        return size, message

    def _await(self) -> None:
        poll = select.poll()
        poll.register(self._connection.socket, select.POLLIN)
        if not poll.poll(_SILENCE * 1000):
            raise NotReady(_SILENT)
        self._connection.consume_input()


@contextmanager
def _told() -> Iterator[None]:
    """What a connection's errors mean to the platform."""
    from psycopg import OperationalError

    try:
        yield
    except OperationalError as error:
        raise NotReady(f"PostgreSQL breaks off: {error}") from error


def _refuse(result: PGresult | None) -> NoReturn:
    """Say why there is no log."""
    from psycopg import pq

    if result is None:
        raise NotReady("PostgreSQL ends to send its log")
    state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    said = result.get_error_message().strip()
    raise JournalLost(said) if state in _GONE else NotReady(said)


def _find_end(session: Session) -> JournalMark:
    """Up to where the server's log is durable."""
    try:
        system, timeline, at, *_ = session.execute("IDENTIFY_SYSTEM")
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return _mark(system, timeline, at)


def _mark(system: str | None, timeline: str | None, at: str | None) -> JournalMark:
    """Of a server that may say anything: an identity becomes the name of a directory."""
    if not (found := _PLACE.fullmatch(f"{system}-{timeline} {at}")):
        raise NotReady(f"PostgreSQL says that it is at {system}-{timeline} {at} of its log")
    return JournalMark(found[1], int(found[2], 16) << 32 | int(found[3], 16))
