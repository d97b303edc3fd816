"""Bringing the inside of a server to the desired state: users, the database, restriction and passwords.

What takes something from a tenant locks its account first, so that nobody comes in meanwhile, and unlocks it last: a
run that was killed in between is seen by that, and done again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql import users
from dbyard.engines.mysql.servers import Server
from dbyard.engines.mysql.session import connect, guard, identifier
from dbyard.engines.mysql.sizes import pool_mb
from dbyard.engines.mysql.users import account_of
from dbyard.engines.private_host import is_private
from dbyard.model import MIB, Address, Applied, Desired, Plan, RestartNeeded, Restriction, User

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_ALL = "`%`"
"""Of databases: the tenant makes and drops them as it likes."""
_GUARDS = {"mysql": "SHOW VIEW", "sys": "SHOW VIEW", "performance_schema": "SELECT"}
"""But not these: the server goes by the grant that names a database most exactly, and these give nothing away."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the desired state."""

    database: bool
    locked: Mapping[str, bool]
    """Of the desired users those that exist, and whether their account is locked."""
    may_write: Mapping[str, bool]
    """Of the desired users those that have rights as this platform gives them, and whether these are all."""
    connections: int = 0
    pool: int = 0
    pool_step: int = 0
    """Of the buffer pool: its bytes, and the chunks in which the server rounds them up."""


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """Read-only by rights, because the server's own `read_only` would forbid to delete, too.

    DROP and TRUNCATE give space back; what DELETE frees is used again by the same table. A session keeps the rights
    that it began with, so the tenant's end when some are taken; when it gets all rights back, only those that do
    nothing just then. Events run with what their definer may do, also of a locked one: while something is taken, and
    while the database is closed, none runs. All of it outlives a restart of the server.
    """
    with connect(address, admin_password) as session:
        server = guard(session)
        observed = _observe(session, server, desired)
        for statement in plan_missing(server, observed, desired):
            session.execute(statement)
        for user in desired.users:
            if user.name in observed.locked:
                _change(session, server, observed, desired, user)
        users.remove(session, server, desired.removed)
        _run_events(session, desired)
        session.execute("SELECT @@bind_address")
        row: Any = session.fetchone()
    if has_plan(observed, desired.plan):
        return Applied(hidden=is_private(row[0], address.host, admin_password))
    return RestartNeeded("the plan's memory and connections are set at a start")


def plan_missing(server: Server, observed: Observed, desired: Desired) -> list[str]:
    """The statements that make what is missing. Pure but for the salt of a password."""
    if not desired.users:
        return []
    statements = []
    if not observed.database:
        statements.append(f"CREATE DATABASE IF NOT EXISTS {identifier(desired.database)}")
    for user in desired.users:
        if user.name not in observed.locked:
            lock = " ACCOUNT LOCK" if desired.restriction is Restriction.CLOSED else ""
            statements.append(
                f"CREATE USER IF NOT EXISTS {account_of(user.name)} {server.identified(user.password)}{lock}"
            )
            statements += _plan_rights(server, desired, user)
    return statements


def plan_taking(server: Server, observed: Observed, desired: Desired, user: User) -> list[str] | None:
    """What changes a user whose sessions have ended and whose account is locked; None for one that stays.

    Pure but for the salt of a password.
    """
    may_write = observed.may_write.get(user.name)
    is_less = desired.restriction is not Restriction.NONE and may_write is not False
    if not (user.reset or is_less or desired.restriction is Restriction.CLOSED):
        return None
    is_changed = user.reset or may_write is not _may_write(desired, user)
    statements = _plan_rights(server, desired, user) if is_changed else []
    if user.reset:
        statements.append(f"ALTER USER {account_of(user.name)} {server.identified(user.password)}")
    return statements


def has_plan(observed: Observed, plan: Plan) -> bool:
    """Whether the server runs with the sizes of the plan."""
    wanted = pool_mb(plan) * MIB
    return observed.connections == plan.connections and wanted <= observed.pool < wanted + max(observed.pool_step, 1)


def _change(session: Cursor, server: Server, observed: Observed, desired: Desired, user: User) -> None:
    taking = plan_taking(server, observed, desired, user)
    if taking is not None:
        session.execute(f"ALTER USER {account_of(user.name)} ACCOUNT LOCK")
        session.execute("SET GLOBAL event_scheduler = OFF")
        users.end_sessions(session, user.name)
        for statement in taking:
            session.execute(statement)
    elif observed.may_write.get(user.name) is not _may_write(desired, user):
        for statement in _plan_rights(server, desired, user):
            session.execute(statement)
        users.end_idle_sessions(session, user.name)
    is_locked = taking is not None or observed.locked[user.name]
    if is_locked and desired.restriction is not Restriction.CLOSED:
        session.execute(f"ALTER USER {account_of(user.name)} ACCOUNT UNLOCK")


def _run_events(session: Cursor, desired: Desired) -> None:
    wanted = "OFF" if desired.restriction is Restriction.CLOSED else "ON"
    session.execute("SELECT @@global.event_scheduler")
    row: Any = session.fetchone()
    if row[0] != wanted:
        session.execute(f"SET GLOBAL event_scheduler = {wanted}")


def plan_rights(server: Server, user: str, *, may_write: bool, read_only: bool = False) -> list[str]:
    """From nothing on, so that no other grant is left that would count for more. Pure."""
    account = account_of(user)
    rights = "ALL PRIVILEGES" if may_write else users.READ if read_only else server.RIGHTS_OF_READERS
    return [
        f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}",
        f"GRANT PROCESS ON *.* TO {account}",  # mysqldump asks for tablespaces, and monitors for what the server does
        *(f"GRANT {right} ON {database}.* TO {account}" for database, right in _GUARDS.items()),
        f"GRANT {rights} ON {_ALL}.* TO {account}",
    ]


def _plan_rights(server: Server, desired: Desired, user: User) -> list[str]:
    return plan_rights(server, user.name, may_write=_may_write(desired, user), read_only=user.read_only)


def _may_write(desired: Desired, user: User) -> bool:
    return desired.restriction is Restriction.NONE and not user.read_only


def _observe(session: Cursor, server: Server, desired: Desired) -> Observed:
    session.execute(
        f"""
        SELECT EXISTS (SELECT * FROM information_schema.schemata WHERE schema_name = %(database)s),
               ({server.LOCKED_USERS}),
               (SELECT json_objectagg(User, Insert_priv = 'Y') FROM mysql.db
                WHERE Db = '%%' AND User IN %(users)s AND Host = '%%' AND {_GUARDED}),
               @@global.max_user_connections, @@innodb_buffer_pool_size, @@innodb_buffer_pool_chunk_size
        """,  # noqa: S608
        {
            "database": desired.database,
            "users": tuple(user.name for user in desired.users) or ("",),
            "grants": len(_GUARDS) + 1,
        },
    )
    row: Any = session.fetchone()
    database, locked, rights, *sizes = row
    return Observed(bool(database), _flags(locked), _flags(rights), *map(int, sizes))


_GUARDED = "(SELECT count(*) FROM mysql.db grants WHERE grants.User = db.User AND grants.Host = '%%') = %(grants)s"
"""Whether a user has neither more nor fewer grants than it should."""


def _flags(text: str | None) -> dict[str, bool]:
    return {name: value in (1, "1", True, "true") for name, value in json.loads(text or "{}").items()}
