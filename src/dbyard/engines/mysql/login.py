"""Whether the tenant gets in, as its own clients try it."""

from __future__ import annotations

from dbyard.engines.mysql.session import ANSWER_SECONDS, log_in, message
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
            log_in(
                address, credentials.user, credentials.password, credentials.database, seconds=ANSWER_SECONDS
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
            raise LockedOut(f"the server refuses: {message(error)}") from error
