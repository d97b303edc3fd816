"""Bringing the inside of a server to the desired state: the database, users, their privileges and passwords."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dbyard.engines.influxdb.render import sizes
from dbyard.engines.influxdb.session import STATEMENT_SECONDS, Refused, ask, identifier, rows, text
from dbyard.engines.influxdb.settings import RETENTION, retention_hours, shard_hours
from dbyard.model import Address, Applied, Desired, RestartNeeded, Restriction, User

POLICY = "autogen"
_CONFIGURATION = ("config-data", "config-httpd")
_NO_PRIVILEGES = "NO PRIVILEGES"
_PRIVILEGES = {
    Restriction.NONE: "ALL PRIVILEGES",
    Restriction.READ_ONLY: "READ",
    Restriction.CLOSED: _NO_PRIVILEGES,
}


@dataclass(frozen=True, slots=True)
class Observed:
    """What a server holds of the desired state."""

    database: bool
    privileges: Mapping[str, str]
    """Of the desired users those that exist, and what they may do with the database."""
    has_plan: bool = True
    policies: Mapping[str, str] = field(default_factory=lambda: {POLICY: "0s"})
    """How long the database's retention policies keep points, as the server says it."""
    has_policy: bool = True
    """Whether the database has a default one, without which it takes no point."""
    left: tuple[str, ...] = ()
    """Of the users that are to be gone those that are there."""


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """The server keeps users and privileges over restarts. None of these deletes and does not write.

    A tenant that may only read waits for its retention policy to free space, which its owner can set, or takes a
    bigger plan. Each request logs in by itself: those that run are queries, and end where all is taken away.
    """
    observed = _observe(address, admin_password, desired)
    ask(address, admin_password, plan_statements(observed, desired), STATEMENT_SECONDS)
    changed = any(user.reset and user.name in observed.privileges for user in desired.users)
    if desired.restriction is Restriction.CLOSED or changed or observed.left:
        _end_queries(address, admin_password, desired.database)
    return Applied() if observed.has_plan else RestartNeeded("the plan's memory and connections are set at a start")


def plan_statements(observed: Observed, desired: Desired) -> list[str]:
    """The statements that bring an observed server to the desired state. Pure."""
    if not desired.users:
        return []
    database, statements = identifier(desired.database), []
    if not observed.database:
        statements.append(f"CREATE DATABASE {database}")
    statements += _plan_policy(observed, database, retention_hours(RETENTION.of(desired.settings)))
    for user in desired.users:
        name, found = identifier(user.name), observed.privileges.get(user.name)
        wanted = _wanted(user, desired.restriction)
        if found not in (None, _NO_PRIVILEGES) and wanted == _NO_PRIVILEGES:
            statements.append(f"REVOKE ALL ON {database} FROM {name}")
        if found is None:
            statements.append(f"CREATE USER {name} WITH PASSWORD {text(user.password)}")
        elif user.reset:
            statements.append(f"SET PASSWORD FOR {name} = {text(user.password)}")
        if wanted not in (found, _NO_PRIVILEGES):
            statements.append(f"GRANT {wanted.removesuffix(' PRIVILEGES')} ON {database} TO {name}")
    return [*statements, *(f"DROP USER {identifier(name)}" for name in observed.left)]


def _wanted(user: User, restriction: Restriction) -> str:
    reads = user.read_only and restriction is Restriction.NONE
    return _PRIVILEGES[Restriction.READ_ONLY if reads else restriction]


def _plan_policy(observed: Observed, database: str, hours: int) -> list[str]:
    """A new database has a policy that keeps points for ever."""
    keeps = f"DURATION {hours}h REPLICATION 1 SHARD DURATION {shard_hours(hours)}h DEFAULT"
    if observed.database and POLICY not in observed.policies:
        return [f'CREATE RETENTION POLICY "{POLICY}" ON {database} {keeps}']
    found = observed.policies[POLICY] if observed.database else "0s"
    if observed.has_policy and read_hours(found) == hours:
        return []
    return [f'ALTER RETENTION POLICY "{POLICY}" ON {database} {keeps}']


def read_hours(duration: str) -> float:
    """Of what the server says: `720h0m0s`, `0s`. Pure."""
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(\d+)s", duration)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 1)
    return hours + minutes / 60 + seconds / 3600


def _observe(address: Address, admin_password: str, desired: Desired) -> Observed:
    diagnostics = [f"SHOW DIAGNOSTICS FOR '{module}'" for module in _CONFIGURATION]
    statements = ["SHOW DATABASES", "SHOW USERS", *diagnostics]
    databases, users, *settings = ask(address, admin_password, statements, STATEMENT_SECONDS)
    known = {row["user"] for row in rows(users)}
    has_database = any(row["name"] == desired.database for row in rows(databases))
    policies = [f"SHOW RETENTION POLICIES ON {identifier(desired.database)}"] if has_database else []
    wanted = [user.name for user in desired.users if user.name in known]
    shown = [f"SHOW GRANTS FOR {identifier(name)}" for name in wanted]
    grants = zip(wanted, ask(address, admin_password, shown, STATEMENT_SECONDS), strict=True)
    found_policies = ask(address, admin_password, policies, STATEMENT_SECONDS)
    return Observed(
        has_database,
        {name: _privilege(found, desired.database) for name, found in grants},
        _has_plan(settings, desired),
        {str(row["name"]): str(row["duration"]) for result in found_policies for row in rows(result)},
        any(row["default"] for result in found_policies for row in rows(result)) or not has_database,
        tuple(name for name in desired.removed if name in known),
    )


def _privilege(grants: Any, database: str) -> str:
    found = (str(row["privilege"]) for row in rows(grants) if row["database"] == database)
    return next(found, _NO_PRIVILEGES)


def _has_plan(settings: list[Any], desired: Desired) -> bool:
    told = {name: value for result in settings for row in rows(result) for name, value in row.items()}
    wanted = {**sizes(desired.plan), "max-connection-limit": desired.plan.connections}
    return all(told[name] == value for name, value in wanted.items() if name in told)


def _end_queries(address: Address, admin_password: str, database: str) -> None:
    (running,) = ask(address, admin_password, ["SHOW QUERIES"], STATEMENT_SECONDS)
    for row in rows(running):
        if row["database"] == database:
            try:
                ask(address, admin_password, [f"KILL QUERY {row['qid']}"], STATEMENT_SECONDS)
            except Refused:
                continue  # it has ended by itself
