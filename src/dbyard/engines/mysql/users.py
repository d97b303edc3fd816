"""Accounts: their names, their sessions, and what becomes of one that is to be gone."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.session import identifier

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    from dbyard.engines.mysql.servers import Server

READ = "SELECT, SHOW VIEW"
"""On a database, of a user that only reads. A routine may write by the rights of its definer, so it calls none."""

_END_SECONDS = 1.0
_NO_SUCH_THREAD = 1094
_DEFINES = " OR ".join(
    f"EXISTS (SELECT * FROM information_schema.{table} WHERE definer = %(account)s)"  # noqa: S608
    for table in ("views", "routines", "triggers", "events")
)


def account_of(user: str) -> str:
    return f"{identifier(user)}@'%'"


def remove(session: Cursor, server: Server, names: Sequence[str]) -> None:
    """What views, routines, triggers and events act for stays as an account that is locked, so that they go on."""
    if not names:
        return
    session.execute(server.LOCKED_USERS, {"users": tuple(names)})
    row: Any = session.fetchone()
    for name in json.loads(row[0] or "{}"):
        session.execute(f"ALTER USER {account_of(name)} ACCOUNT LOCK")
        end_sessions(session, name)
        session.execute(f"SELECT {_DEFINES}", {"account": f"{name}@%"})
        row = session.fetchone()
        if not row[0]:
            session.execute(f"DROP USER {account_of(name)}")


def end_sessions(session: Cursor, user: str) -> None:
    """End them, and give what they are doing a second: one that still rolls back cannot begin anything new."""
    deadline = time.monotonic() + _END_SECONDS
    while _kill(session, user, "true") and time.monotonic() < deadline:
        time.sleep(0.005)


def end_idle_sessions(session: Cursor, user: str) -> None:
    _kill(session, user, "command = 'Sleep'")


def _kill(session: Cursor, user: str, which: str) -> int:
    """How many there were."""
    from pymysql import OperationalError

    session.execute(f"SELECT id FROM information_schema.processlist WHERE user = %s AND {which}", (user,))  # noqa: S608
    found = session.fetchall()
    for (number,) in found:
        try:
            session.execute("KILL CONNECTION %s", (number,))
        except OperationalError as error:
            if error.args[0] != _NO_SUCH_THREAD:
                raise
    return len(found)
