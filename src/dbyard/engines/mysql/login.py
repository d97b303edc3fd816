"""Whether the tenant gets in, as its own clients try it."""

from __future__ import annotations

from dbyard.engines.mysql.session import ANSWER_SECONDS, message
from dbyard.errors import LockedOut, NotReady, WrongPassword
from dbyard.model import Address, Credentials

_ALL_TAKEN = (1040, 1203, 1226)
_WRONG_PASSWORD = 1045
_LOST = range(2000, 3000)
"""Errors of the client's: no server, no answer."""


def check_login(address: Address, credentials: Credentials) -> None:
    import pymysql

    try:
        with (
            pymysql.connect(
                host=address.host,
                port=address.port,
                user=credentials.user,
                password=credentials.password,
                database=credentials.database,
                ssl_disabled=True,
                connect_timeout=ANSWER_SECONDS,
                read_timeout=ANSWER_SECONDS,
            ) as connection,
            connection.cursor() as session,
        ):
            session.execute("SELECT 1")
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else None
        if code == _WRONG_PASSWORD:
            raise WrongPassword("the tenant has another password than the platform knows") from error
        if not isinstance(code, int) or code in _LOST:
            raise NotReady(message(error)) from error
        if code not in _ALL_TAKEN:
            raise LockedOut(f"MariaDB refuses: {message(error)}") from error
