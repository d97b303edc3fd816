"""Bringing the inside of a server to the desired state: users with their roles and passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbyard.engines.mongodb import mongod, secantusdb, users
from dbyard.engines.mongodb.session import STATEMENT_SECONDS, admin, find_address, make_admin, make_primary, refusals
from dbyard.model import Address, Applied, Desired, Plan, RestartNeeded, Restriction, User

if TYPE_CHECKING:
    from dbyard.engines.mongodb.session import Client


def configure(address: Address, admin_password: str, desired: Desired) -> Applied | RestartNeeded:
    """A tenant that is closed out has no user, and gets one with the password of the day that opens again.

    SecantusDB gives a connection its rights at its login, so those of a user that is changed end, and its clients come
    again. When something is restricted a checkpoint gives back what deleted documents still take.
    """
    with admin(address, admin_password, STATEMENT_SECONDS) as server, refusals("configure_failed"):
        make_primary(server, address)
        make_admin(server, admin_password)
        for user in desired.users:
            _apply(server, user, desired)
        for name in desired.removed:
            _remove(server, name, desired.database)
        if desired.restriction is not Restriction.NONE:
            server.admin.command("fsync")
        has_plan = _has_plan(server, desired.plan)
    hidden = find_address(address, admin_password) != address
    return Applied(hidden) if has_plan else RestartNeeded("the plan's memory and connections are set at a start")


def _apply(server: Client, user: User, desired: Desired) -> None:
    database = server[desired.database]
    found = database.command("usersInfo", user.name)["users"]
    has_role = bool(database.command("rolesInfo", users.own_role(desired))["roles"])
    if not found and desired.restriction is not Restriction.NONE:  # a run before may have been killed here
        _end_connections(server, user.name, desired.database)
    for command in users.plan_commands(user, found[0] if found else None, has_role, desired):
        database.command(command)
        if "dropUser" in command or "updateUser" in command:
            _end_connections(server, user.name, desired.database)


def _remove(server: Client, user: str, database: str) -> None:
    if server[database].command("usersInfo", user)["users"]:
        server[database].command("dropUser", user)
    _end_connections(server, user, database)


def _end_connections(server: Client, user: str, database: str) -> None:
    operations = server.admin.command("currentOp")["inprog"]
    for operation in users.list_connections(operations, user, database):
        server.admin.command("killOp", op=operation)


def _has_plan(server: Client, plan: Plan) -> bool:
    """Whether the server runs with the sizes of the plan."""
    told = server.admin.command("getCmdLineOpts")["parsed"]
    sizes = secantusdb if _is_secantusdb(server) else mongod
    cache = _find(told, "storage", "wiredTiger", "engineConfig", "cacheSizeGB")
    connections = _find(told, "net", "maxIncomingConnections")
    return bool((cache, connections) == (sizes.cache_mb(plan) / 1024, sizes.connections(plan)))


def _is_secantusdb(server: Client) -> bool:
    return "secantus" in server.admin.command("serverStatus")


def _find(document: Any, *path: str) -> Any:
    for name in path:
        document = document.get(name, {})
    return document
