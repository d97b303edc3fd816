"""Bringing the inside of a server to the desired state: roles, the database, restriction and passwords.

Whatever takes something from a tenant ends its sessions first, because an open transaction can hold the very rows of
the catalogue that must change, and waits a second at most for any lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from dbyard.engines.postgresql import users
from dbyard.engines.postgresql.names import ADMIN, SPARE
from dbyard.engines.postgresql.passwords import tenant_verifier
from dbyard.engines.postgresql.render import GRANTS, OPEN_MAINTENANCE, sizes
from dbyard.engines.postgresql.session import Held, Session, connect, identifier, literal
from dbyard.engines.postgresql.settings import LOCALE
from dbyard.engines.private_host import is_private
from dbyard.model import Address, Applied, Desired, RestartNeeded, Restriction, User

_ATTEMPTS = 2
"""At a change that a session holds up; a tenant may come back between its session's end and the change."""
_END_SECONDS = 1.0
_NARROW_CREATEROLE = "pg_catalog.current_setting('server_version_num')::int >= 160000"
_TENANTS = f"usename <> '{ADMIN}' AND backend_type IN ('client backend', 'parallel worker')"


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the desired state, and of the spare to make it from."""

    users: Mapping[str, bool]
    """Of the desired ones those that exist, and whether they can log in."""
    database: bool
    is_open: bool
    """Whether the database allows connections."""
    is_shut_out: bool
    """Whether the owner may have no connection at all, which is how a server is closed."""
    has_freedoms: bool
    """Whether the owner, or the spare, may make databases, and roles where that is safe, and has all grants."""
    has_maintenance: bool
    """Whether everybody may connect to the maintenance database, and write nothing there."""
    may_make_roles: bool
    """Whether a role that makes others has power over these alone: from PostgreSQL 16 on."""
    locked_out: bool
    """Whether a user may not connect to the database, or nobody at all: an owner can do that to itself."""
    read_only: bool
    """Whether sessions begin read-only."""
    has_plan: bool
    spare_user: bool
    spare_database: bool


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """A log-in opens last: a role that can log in is complete, and its password is then the tenant's to change.

    Read-only is a setting that a tenant can lift on purpose, for a session or a transaction, to delete something. All
    of it outlives a restart of the server. A closed server refuses its owner; roles that the owner made are refused by
    what `render` gives.
    """
    with connect(address, admin_password) as session:
        observed = _observe(session, desired)
        if observed.read_only or desired.restriction is not Restriction.NONE:  # which is not for this session
            session.execute("SET default_transaction_read_only = off")
        if len(desired.users) > 1 or desired.removed:
            users.make_readers(session)
        for name, can_log_in in observed.users.items():
            if not can_log_in:  # a run before was killed, and its sessions may still hold what is missing
                _end_sessions(session, f"usename = {literal(name)}")
        for batch in plan_missing(observed, desired):
            session.execute(";\n".join(batch))  # one round trip and one transaction
        if unlocking := plan_unlocking(observed, desired):
            session.execute(";\n".join(unlocking))
        if desired.users:
            _restrict(session, observed, desired)
        for user in desired.users:
            if user.reset and user.name in observed.users:
                _reset(session, user, desired)
        if any(user.read_only and (user.reset or user.name not in observed.users) for user in desired.users):
            users.let_read(address, admin_password, desired.users[0].name, desired.database)
        _remove(session, address, admin_password, desired)
        (listens,) = session.execute("SHOW listen_addresses")
    if observed.has_plan:
        return Applied(hidden=is_private(listens, address.host, admin_password))
    return RestartNeeded("the plan's memory and connections are set at a start")


def plan_missing(observed: Observed, desired: Desired) -> list[list[str]]:
    """The statements that make what is missing, in batches that are one transaction each. Pure."""
    if not desired.users:
        return []
    owner, *others = desired.users
    name, database = identifier(owner.name), identifier(desired.database)
    can_log_in = observed.users.get(owner.name, False)
    first: list[str] = []
    if owner.name not in observed.users:
        first.append(f"ALTER ROLE {SPARE} RENAME TO {name}" if observed.spare_user else f"CREATE ROLE {name} NOLOGIN")
    batches = [first]
    locale = LOCALE.of(desired.settings)
    has_spare = observed.spare_database and not can_log_in  # later its name is the tenant's to take
    if not observed.database and has_spare and locale == LOCALE.default:
        first.append(f"ALTER DATABASE {SPARE} RENAME TO {database}")
    elif not observed.database:  # by statements that refuse to be in a transaction
        batches += [[f"DROP DATABASE {SPARE}"]] if has_spare else []
        batches += [[f"CREATE DATABASE {database} OWNER {name}{_sorted_by(locale)}"], []]
    if not (can_log_in and observed.database):
        batches[-1] += [f"ALTER DATABASE {database} OWNER TO {name}", f"REVOKE ALL ON DATABASE {database} FROM PUBLIC"]
    if not observed.has_freedoms:
        batches[-1].append(f"ALTER ROLE {name} CREATEDB{' CREATEROLE' if observed.may_make_roles else ''}")
        batches[-1] += [f"{grant} TO {name}" for grant in GRANTS]
    if not observed.has_maintenance:
        batches[-1] += OPEN_MAINTENANCE
    batches[-1] += _plan_log_in(owner, observed)
    for user in others:
        if user.name not in observed.users:
            batches[-1].append(f"CREATE ROLE {identifier(user.name)} NOLOGIN")
        if not observed.users.get(user.name):
            batches[-1] += users.plan_rights(user, owner.name, desired.database)
        batches[-1] += _plan_log_in(user, observed)
    return [batch for batch in batches if batch]


def _sorted_by(locale: str) -> str:
    if locale == LOCALE.default:
        return ""
    return f" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)} LOCALE '{LOCALE.default}'"


def plan_unlocking(observed: Observed, desired: Desired) -> list[str]:
    """The statements that take back what an owner did to its own way in. Pure."""
    if not (desired.users and observed.database and (observed.locked_out or desired.unlock)):
        return []
    database, statements = identifier(desired.database), []
    owner = desired.users[0]
    for user in (user for user in desired.users if user.name in observed.users):
        name = identifier(user.name)
        if desired.unlock:
            statements += [f"ALTER ROLE {name} RESET ALL", f"ALTER ROLE {name} IN DATABASE {database} RESET ALL"]
        if user == owner:
            statements.append(f"GRANT ALL ON DATABASE {database} TO {name}")
        else:
            statements += users.plan_rights(user, owner.name, desired.database)
    statements.append(f"ALTER DATABASE {database} CONNECTION LIMIT -1")
    return [*statements, f"ALTER DATABASE {database} RESET ALL"] if desired.unlock else statements


def _plan_log_in(user: User, observed: Observed) -> list[str]:
    """Unless it can log in already, or is about to get its password anew anyway."""
    exists = user.name in observed.users
    if observed.users.get(user.name) or (exists and user.reset):
        return []
    return [f"ALTER ROLE {identifier(user.name)} LOGIN PASSWORD '{tenant_verifier(user.password)}'"]


def _observe(session: Session, desired: Desired) -> Observed:
    names = ", ".join(literal(user.name) for user in desired.users) or "NULL"
    database = literal(desired.database)
    owner = literal(desired.users[0].name) if desired.users else "NULL"
    owner_or_spare = f"coalesce((SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = {owner}), '{SPARE}')"  # noqa: S608
    plan = ", ".join(f"({literal(name)}, {literal(value)})" for name, value in sizes(desired.plan).items())
    known, *facts = session.execute(
        f"""
        SELECT (SELECT json_object_agg(rolname, rolcanlogin) FROM pg_catalog.pg_roles WHERE rolname IN ({names})),
               EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {database}),
               EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {database} AND datallowconn),
               EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {owner} AND rolconnlimit = 0),
               EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {owner_or_spare} AND rolcreatedb
                       AND (rolcreaterole OR NOT {_NARROW_CREATEROLE})
                       AND pg_catalog.pg_has_role(oid, 'pg_monitor', 'MEMBER')
                       AND pg_catalog.has_parameter_privilege(oid, 'session_replication_role', 'SET')),
               pg_catalog.has_database_privilege('public', pg_catalog.current_database(), 'CONNECT')
               AND NOT pg_catalog.has_function_privilege('public', 'pg_catalog.lo_create(oid)', 'EXECUTE'),
               {_NARROW_CREATEROLE},
               EXISTS (SELECT FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
                       WHERE d.datname = {database} AND r.rolname IN ({names})
                       AND (d.datconnlimit = 0 OR NOT pg_catalog.has_database_privilege(r.oid, d.oid, 'CONNECT'))),
               pg_catalog.current_setting('default_transaction_read_only') = 'on',
               (SELECT bool_and(pg_catalog.pg_size_bytes(pg_catalog.current_setting(name))
                                = pg_catalog.pg_size_bytes(value)) FROM (VALUES {plan}) AS plan (name, value)),
               EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{SPARE}'),
               EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = '{SPARE}')
        """  # noqa: S608 - quoted by `literal`
    )
    return Observed(json.loads(known or "{}"), *(fact == "t" for fact in facts))


# ---- taking something away --------------------------------------------------------------------------------------


def _restrict(session: Session, observed: Observed, desired: Desired) -> None:
    database, restriction = identifier(desired.database), desired.restriction
    if (restriction is not Restriction.NONE) != observed.read_only:
        state = "off" if restriction is Restriction.NONE else "on"
        session.execute(f"ALTER SYSTEM SET default_transaction_read_only = {state}")
        session.execute("SELECT pg_catalog.pg_reload_conf()")
    if restriction is Restriction.CLOSED:
        if not observed.is_shut_out:
            _take(session, _TENANTS, f"ALTER ROLE {identifier(desired.users[0].name)} CONNECTION LIMIT 0")
        _end_sessions(session, _TENANTS)
    else:
        if observed.is_shut_out:
            session.execute(f"ALTER ROLE {identifier(desired.users[0].name)} CONNECTION LIMIT -1")
        if observed.database and not observed.is_open:
            session.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true")
    if restriction is Restriction.READ_ONLY:
        _end_old_writers(session, changed=not observed.read_only)


def _end_old_writers(session: Session, *, changed: bool) -> None:
    """Sessions that write in a transaction that began before everybody had heard of the setting."""
    writers = (
        f"{_TENANTS} AND backend_xid IS NOT NULL AND xact_start < pg_catalog.pg_conf_load_time() + interval '200 ms'"
    )
    if changed:
        _signal(session, writers.partition(" AND xact_start")[0])
        session.execute("SELECT pg_catalog.pg_sleep(0.2)")
        _signal(session, writers.partition(" AND xact_start")[0])
    else:
        _signal(session, writers)


def _reset(session: Session, user: User, desired: Desired) -> None:
    """Nobody is left, when the new password comes, who could set another one.

    Killed after the first statement the role cannot log in, which `plan_missing` and a second run put right.
    """
    owner, statements = desired.users[0], list[str]()
    _shut_out(session, user.name)
    if user != owner:
        taken = users.plan_taking(user, owner.name)
        statements += [*taken, *users.plan_rights(user, owner.name, desired.database)]
    statements.append(f"ALTER ROLE {identifier(user.name)} LOGIN PASSWORD '{tenant_verifier(user.password)}'")
    session.execute(";\n".join(statements))


def _remove(session: Session, address: Address, admin_password: str, desired: Desired) -> None:
    for name in users.list_left(session, desired.removed):
        _shut_out(session, name)
        users.drop(session, address, admin_password, User(name, ""), desired.users[0].name)


def _shut_out(session: Session, user: str) -> None:
    """It has no session, and gets none."""
    own = f"usename = {literal(user)}"
    _take(session, own, f"ALTER ROLE {identifier(user)} NOLOGIN")
    _end_sessions(session, own)


def _take(session: Session, sessions: str, statement: str) -> None:
    """A change that an open transaction of one of the sessions could hold up. Raises Held when one still does."""
    for attempt in range(_ATTEMPTS):
        _end_sessions(session, sessions)
        try:
            session.execute(statement)
        except Held as error:
            if attempt == _ATTEMPTS - 1:
                raise Held(f"{error}; held by {_describe(session, sessions)}") from error
        else:
            return


def _end_sessions(session: Session, which: str) -> None:
    """End them, and wait until they are gone. Raises Held after a second."""
    deadline = time.monotonic() + _END_SECONDS
    while _signal(session, which):
        if time.monotonic() > deadline:
            raise Held(f"a session does not end: {_describe(session, which)}")
        time.sleep(0.005)


def _signal(session: Session, which: str) -> int:
    """How many sessions were told to end."""
    (count,) = session.execute(
        f"SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE {which}"  # noqa: S608
    )
    return int(count or 0)


def _describe(session: Session, which: str) -> str:
    """The one of the sessions that is likeliest to hold a lock."""
    what = "format('process %s of %s, %s since %s', pid, usename, coalesce(state, 'not yet ready'), state_change)"
    order = "ORDER BY backend_xid IS NULL, xact_start LIMIT 1"
    row = session.execute(f"SELECT {what} FROM pg_catalog.pg_stat_activity WHERE {which} {order}")  # noqa: S608
    return (row[0] or "") if row else "a session that has just ended"
