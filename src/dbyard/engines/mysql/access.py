"""Bringing the inside of a server to the desired state: users, the database, restriction and passwords.

What takes something from a tenant locks its account first, so that nobody comes in meanwhile, and unlocks it last: a
run that was killed in between is seen by that, and done again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.passwords import password_hash
from dbyard.engines.mysql.render import pool_mb
from dbyard.engines.mysql.session import connect, guard, identifier
from dbyard.model import MIB, Address, Applied, Desired, Plan, RestartNeeded, Restriction, User

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_END_SECONDS = 1.0
_NO_SUCH_THREAD = 1094
_GROWING = (
    "INSERT, UPDATE, CREATE, ALTER, INDEX, REFERENCES, CREATE TEMPORARY TABLES, CREATE VIEW, CREATE ROUTINE,"
    " ALTER ROUTINE, EVENT, TRIGGER"
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the desired state."""

    database: bool
    locked: Mapping[str, bool]
    """Of the desired users those that exist, and whether their account is locked."""
    may_write: Mapping[str, bool]
    """Of the desired users those that have rights on the database, and whether these are all."""
    connections: int = 0
    pool: int = 0
    pool_step: int = 0
    """Of the buffer pool: its bytes, and the chunks in which the server rounds them up."""


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """Read-only by rights, because the server's own `read_only` would forbid to delete, too.

    DROP and TRUNCATE give space back; what DELETE frees is used again by the same table. A session keeps the rights
    that it began with, so the tenant's end when some are taken; when it gets all rights back, only those that do
    nothing just then. All of it outlives a restart of the server.
    """
    with connect(address, admin_password) as session:
        guard(session)
        observed = _observe(session, desired)
        for statement in plan_missing(observed, desired):
            session.execute(statement)
        for user in desired.users:
            if user.name in observed.locked:
                _change(session, observed, desired, user)
    if has_plan(observed, desired.plan):
        return Applied()
    return RestartNeeded("the plan's memory and connections are set at a start")


def plan_missing(observed: Observed, desired: Desired) -> list[str]:
    """The statements that make what is missing. Pure."""
    if not desired.users:
        return []
    statements = []
    if not observed.database:
        statements.append(f"CREATE DATABASE IF NOT EXISTS {identifier(desired.database)}")
    for user in desired.users:
        if user.name not in observed.locked:
            secret = password_hash(user.password)
            how = f"IDENTIFIED VIA mysql_native_password USING '{secret}'"
            lock = " ACCOUNT LOCK" if desired.restriction is Restriction.CLOSED else ""
            statements.append(f"CREATE USER IF NOT EXISTS {_account(user)} {how}{lock}")
            statements += _plan_rights(desired, user)
    return statements


def plan_taking(observed: Observed, desired: Desired, user: User) -> list[str] | None:
    """What changes a user whose sessions have ended and whose account is locked; None for one that stays. Pure."""
    may_write = observed.may_write.get(user.name)
    is_less = desired.restriction is not Restriction.NONE and may_write is not False
    if not (user.reset or is_less or desired.restriction is Restriction.CLOSED):
        return None
    statements = _plan_rights(desired, user) if may_write is not _may_write(desired) else []
    if user.reset:
        secret = password_hash(user.password)
        statements.append(f"ALTER USER {_account(user)} IDENTIFIED VIA mysql_native_password USING '{secret}'")
    return statements


def has_plan(observed: Observed, plan: Plan) -> bool:
    """Whether the server runs with the sizes of the plan."""
    wanted = pool_mb(plan) * MIB
    return observed.connections == plan.connections and wanted <= observed.pool < wanted + max(observed.pool_step, 1)


def _change(session: Cursor, observed: Observed, desired: Desired, user: User) -> None:
    taking = plan_taking(observed, desired, user)
    if taking is not None:
        session.execute(f"ALTER USER {_account(user)} ACCOUNT LOCK")
        _end_sessions(session, user)
        for statement in taking:
            session.execute(statement)
    elif observed.may_write.get(user.name) is not _may_write(desired):
        for statement in _plan_rights(desired, user):
            session.execute(statement)
        _end_idle_sessions(session, user)
    is_locked = taking is not None or observed.locked[user.name]
    if is_locked and desired.restriction is not Restriction.CLOSED:
        session.execute(f"ALTER USER {_account(user)} ACCOUNT UNLOCK")


def _plan_rights(desired: Desired, user: User) -> list[str]:
    """Granting all first: where nothing is granted there is nothing to revoke, which the server takes for a mistake."""
    scope = f"{identifier(as_pattern(desired.database))}.*"
    statements = [f"GRANT ALL PRIVILEGES ON {scope} TO {_account(user)}"]
    if desired.restriction is not Restriction.NONE:
        statements.append(f"REVOKE {_GROWING} ON {scope} FROM {_account(user)}")
    return statements


def _may_write(desired: Desired) -> bool:
    return desired.restriction is Restriction.NONE


def _observe(session: Cursor, desired: Desired) -> Observed:
    session.execute(
        """
        SELECT EXISTS (SELECT * FROM information_schema.schemata WHERE schema_name = %(database)s),
               (SELECT json_objectagg(User, coalesce(json_value(Priv, '$.account_locked'), 0)) FROM mysql.global_priv
                WHERE User IN %(users)s AND Host = '%%'),
               (SELECT json_objectagg(User, Insert_priv = 'Y') FROM mysql.db
                WHERE Db = %(pattern)s AND User IN %(users)s AND Host = '%%'),
               @@global.max_user_connections, @@innodb_buffer_pool_size, @@innodb_buffer_pool_chunk_size
        """,
        {
            "database": desired.database,
            "users": tuple(user.name for user in desired.users) or ("",),
            "pattern": as_pattern(desired.database),
        },
    )
    row: Any = session.fetchone()
    database, locked, rights, *sizes = row
    return Observed(bool(database), _flags(locked), _flags(rights), *map(int, sizes))


def _flags(text: str | None) -> dict[str, bool]:
    return {name: value in (1, "1", True, "true") for name, value in json.loads(text or "{}").items()}


def as_pattern(database: str) -> str:
    """As a grant names a database: there `_` stands for any character, and would let the tenant make others."""
    return database.replace("_", "\\_")


def _account(user: User) -> str:
    return f"{identifier(user.name)}@'%'"


def _end_sessions(session: Cursor, user: User) -> None:
    """End them, and give what they are doing a second: one that still rolls back cannot begin anything new."""
    session.execute(f"KILL CONNECTION USER {_account(user)}")
    deadline = time.monotonic() + _END_SECONDS
    while time.monotonic() < deadline:
        session.execute("SELECT count(*) FROM information_schema.processlist WHERE user = %s", (user.name,))
        row: Any = session.fetchone()
        if not row[0]:
            return
        time.sleep(0.005)


def _end_idle_sessions(session: Cursor, user: User) -> None:
    from pymysql import OperationalError

    idle = "SELECT id FROM information_schema.processlist WHERE user = %s AND command = 'Sleep'"
    session.execute(idle, (user.name,))
    for (number,) in session.fetchall():
        try:
            session.execute("KILL CONNECTION %s", (number,))
        except OperationalError as error:
            if error.args[0] != _NO_SUCH_THREAD:
                raise
