"""The platform's own sessions. pymysql is imported with the first, so that what only reads names stays light."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dbyard.engines.bounded_socket import open_socket
from dbyard.engines.mysql.names import ADMIN
from dbyard.engines.mysql.servers import Server, server_at
from dbyard.engines.private_host import private_host
from dbyard.errors import NotReady, Stuck, TemporaryError
from dbyard.model import Address, Credentials

if TYPE_CHECKING:
    from pymysql.connections import Connection
    from pymysql.cursors import Cursor

ANSWER_SECONDS = 1.0
_STATEMENT_SECONDS = 15.0
_TOO_MANY_CONNECTIONS = 1040
_NO_CONNECTION = 2003
_OF_THE_SERVER = range(1000, 2000)
_PASSING = (1045, 1053)  # the password is wrong; the server stops
_HELD = (1205, 1969, 3024)  # a lock was not to be had in time; a statement took too long


@contextmanager
def connect(address: Address, admin_password: str, seconds: float = _STATEMENT_SECONDS) -> Iterator[Cursor]:
    """Raises NotReady when the server does not let us in within a second, TemporaryError when it refuses something.

    The code is `held` where all connections are taken, or a lock is.
    """
    import pymysql

    try:
        connection = log_in_admin(address, admin_password, seconds)
    except pymysql.MySQLError as error:
        if error.args and error.args[0] == _TOO_MANY_CONNECTIONS:
            raise TemporaryError(f"all connections are taken: {message(error)}", code="held") from error
        code = error.args[0] if error.args else None
        is_broken = isinstance(code, int) and code in _OF_THE_SERVER and code not in _PASSING
        raise (Stuck if is_broken else NotReady)(message(error)) from error
    with connection, connection.cursor() as session:
        try:
            yield session
        except pymysql.MySQLError as error:
            code = "held" if error.args and error.args[0] in _HELD else "configure_failed"
            raise TemporaryError(f"the server refuses: {message(error)}", code=code) from error


def log_in_admin(address: Address, admin_password: str, seconds: float) -> Connection[Cursor]:
    """A session of the platform's own, also where a server listens for it alone. Raises pymysql.MySQLError."""
    import pymysql

    try:
        return log_in(address, ADMIN, admin_password, seconds=seconds)
    except pymysql.MySQLError as error:
        host = private_host(address.host, admin_password)
        if not isinstance(error.__cause__, ConnectionRefusedError) or host == address.host:
            raise
    return log_in(Address(host, address.port), ADMIN, admin_password, seconds=seconds)


def log_in(
    address: Address, user: str, password: str, database: str | None = None, *, seconds: float
) -> Connection[Cursor]:
    """A session of any user, with a second for each answer until it is in, and then so many `seconds`.

    Raises pymysql.MySQLError.
    """
    import pymysql

    connection = pymysql.connect(
        user=user, password=password, database=database, ssl_disabled=True, autocommit=None, defer_connect=True
    )
    try:
        server = open_socket(address, ANSWER_SECONDS)
    except OSError as error:
        raise pymysql.OperationalError(_NO_CONNECTION, f"the server does not answer: {error}") from error
    connection.connect(server)
    server.begin(seconds)
    return connection


def guard(session: Cursor) -> Server:
    """Wait a second at most for any lock, and not for ever for anything. Which server it is."""
    server = server_at(session)
    session.execute(server.SESSION_SETTINGS)
    return server


def ping(address: Address, credentials: Credentials) -> None:
    """A server that is full is ready all the same."""
    try:
        with connect(address, credentials.admin_password, ANSWER_SECONDS) as session:
            session.execute("SELECT 1")
    except TemporaryError as error:
        if error.code != "held":
            raise Stuck(str(error)) from error


def reload(address: Address, admin_password: str) -> None:
    """The certificate; there is no access file. A server without one keeps on having none."""
    with connect(address, admin_password) as session:
        guard(session).reload_tls(session)


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def message(error: Exception) -> str:
    return str(error.args[-1]) if error.args else str(error)
