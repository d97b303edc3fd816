"""The platform's own sessions, by libpq itself: psycopg would not give up before two seconds.

psycopg is imported with the first session, so that what only reads names stays light.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbyard.engines.postgresql.names import ADMIN, ADMIN_DATABASE
from dbyard.engines.private_host import private_host
from dbyard.errors import NotReady, Stuck, TemporaryError
from dbyard.model import Address, Credentials

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

ANSWER_SECONDS = 1.0
_STATEMENT_SECONDS = 15
_RELOAD_SECONDS = 3.0
_FULL = "too many clients already"
_PASSING = (
    "the database system is",
    "password authentication failed",
    "no pg_hba.conf entry",
    "too many connections",
    "connection slots",
)
"""Refusals that say nothing of the server's health: it starts, stops or recovers, or does not want this user."""

# In a database that tenants cannot enter, as a role that they cannot alter; set all the same, because what a session
# of the platform does must not depend on any setting that is kept in the server.
_SETTINGS = (
    f"-c statement_timeout={_STATEMENT_SECONDS}s -c lock_timeout=1s -c role=none -c search_path=pg_catalog"
    " -c session_replication_role=origin -c client_min_messages=error"
)


class Held(TemporaryError):
    """A tenant's session holds a lock that a statement needs."""

    code = "held"


class Absent(NotReady):
    """Nobody listens there."""


class Unanswered(NotReady):
    """The server let us in and does not answer."""


class Session:
    """One connection of one user, in one database; no answer is awaited for longer than `seconds`."""

    def __init__(self, connection: PGconn, seconds: float) -> None:
        self.connection = connection
        self._seconds = seconds

    def execute(self, statements: str) -> list[str | None]:
        """The first row of the last answer. Raises Held or TemporaryError with what the server said, else Unanswered.

        No setting in the server limits how long a statement waits for a snapshot, or for a server that is frozen.
        """
        from psycopg import pq

        result = self._ask(statements)
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
            said = result.get_error_message().strip()
            if state == "55P03":  # lock_not_available
                raise Held(said)
            raise TemporaryError(f"PostgreSQL refuses: {said}", code="configure_failed")
        values = [result.get_value(0, column) for column in range(result.nfields)] if result.ntuples else []
        return [None if value is None else value.decode() for value in values]

    def _ask(self, statements: str) -> PGresult:
        """The last result."""
        from psycopg import OperationalError

        deadline = time.monotonic() + self._seconds
        results: list[PGresult] = []
        try:
            self.connection.send_query(statements.encode())
            while (result := self._next_result(deadline)) is not None:
                results.append(result)
        except OperationalError as error:
            raise TemporaryError(f"PostgreSQL refuses: {error}", code="configure_failed") from error
        return results[-1]

    def _next_result(self, deadline: float) -> PGresult | None:
        poll = select.poll()
        poll.register(self.connection.socket, select.POLLIN)
        while self.connection.is_busy():
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise Unanswered(f"PostgreSQL did not answer a statement within {self._seconds:.0f} s")
            self.connection.consume_input()
        return self.connection.get_result()


@contextmanager
def connect(
    address: Address,
    password: str,
    *,
    user: str = ADMIN,
    database: str = ADMIN_DATABASE,
    options: str = _SETTINGS,
    seconds: float = _STATEMENT_SECONDS + 1.0,
    replication: bool = False,
) -> Iterator[Session]:
    """A session of the admin's, or of another user, whose statements are awaited for so many seconds each.

    The admin finds a server, too, that listens where only the platform does. Raises NotReady when the server does not
    let us in within a second, Held when it has no place left.
    Places are kept for us among those who have logged in; whoever has not yet may take all of them.
    With `replication` it takes the commands of a standby instead of SQL.
    """

    login = {"user": user, "password": password, "dbname": database, "options": options}
    if replication:
        login["replication"] = "true"
    try:
        connection = _open(address, login)
    except Absent:
        if user != ADMIN or (host := private_host(address.host, password)) == address.host:
            raise
        connection = _open(Address(host, address.port), login)
    try:
        yield Session(connection, seconds)
    finally:
        connection.finish()


def _open(address: Address, login: Mapping[str, str]) -> PGconn:
    """Raises as `connect` does, and Absent where nobody listens."""
    from psycopg import pq
    from psycopg.conninfo import make_conninfo

    conninfo = make_conninfo(
        host=address.host,
        port=address.port,
        sslmode="disable",
        gssencmode="disable",
        require_auth="scram-sha-256",  # whoever else listens on the port gets no password
        **login,
    )
    connection = pq.PGconn.connect_start(conninfo.encode())
    try:
        _await_connected(connection)
    except BaseException:
        connection.finish()
        raise
    return connection


def ping(address: Address, credentials: Credentials) -> None:
    """A server that is full is ready all the same."""
    try:
        with connect(address, credentials.admin_password, seconds=ANSWER_SECONDS) as session:
            session.execute("SELECT 1")
    except Held:
        return
    except TemporaryError as error:
        raise Stuck(str(error)) from error


def reload(address: Address, admin_password: str) -> None:
    """The server is told by a signal: it has read its files when a new session says so."""
    with connect(address, admin_password) as session:
        (asked,) = session.execute("SELECT pg_catalog.clock_timestamp()")
        session.execute("SELECT pg_catalog.pg_reload_conf()")
    deadline = time.monotonic() + _RELOAD_SECONDS
    while True:
        with connect(address, admin_password) as session:
            done, wrong = session.execute(f"SELECT pg_catalog.pg_conf_load_time() >= '{asked}', {_MISTAKES}")
        if wrong:
            raise TemporaryError(f"PostgreSQL refuses its files: {wrong}", code="reload_failed")
        if done == "t":
            return
        if time.monotonic() > deadline:
            raise TemporaryError("PostgreSQL has not read its files again", code="reload_failed")
        time.sleep(0.01)


_MISTAKES = """(SELECT string_agg(error, '; ') FROM (
    SELECT error FROM pg_catalog.pg_hba_file_rules
    UNION ALL SELECT name || ': ' || error FROM pg_catalog.pg_file_settings
        WHERE error <> 'setting could not be applied'
    ) AS mistakes)"""
"""What a running server cannot be told any more (its memory, its port) is no mistake."""


def identifier(name: str) -> str:
    from psycopg import sql

    return sql.Identifier(name).as_string(None)


def literal(value: str) -> str:
    from psycopg import sql

    return sql.Literal(value).as_string(None)


def _await_connected(connection: PGconn) -> None:
    from psycopg import pq

    deadline = time.monotonic() + ANSWER_SECONDS
    while (status := connection.connect_poll()) in (pq.PollingStatus.READING, pq.PollingStatus.WRITING):
        poll = select.poll()
        poll.register(connection.socket, select.POLLIN if status == pq.PollingStatus.READING else select.POLLOUT)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise NotReady(f"PostgreSQL did not answer within {ANSWER_SECONDS:.0f} s")
    if status != pq.PollingStatus.OK:
        said = connection.get_error_message().strip()
        if "Connection refused" in said:
            raise Absent(said)
        if _FULL in said:
            raise Held(f"all connections are taken: {said}")
        if "FATAL" in said and not any(each in said for each in _PASSING):
            raise Stuck(said)
        raise NotReady(said)
