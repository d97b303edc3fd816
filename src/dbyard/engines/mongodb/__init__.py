"""MongoDB: served by SecantusDB, or by a real mongod where this machine has one. Both are spoken to in the same words.

Their files are not each other's: an instance's full version says which of the two it belongs to. What is rendered for a
real mongod follows its manual and has not been run against one here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dbyard.engines.mongodb import client, mongod, secantusdb, users
from dbyard.model import Address, Capability, Credentials, InstanceSpec, Layout, RenderInput, Restriction

if TYPE_CHECKING:
    from dbyard.engines.mongodb.client import Client

TECHNOLOGY = "mongodb"
CAPABILITIES: frozenset[Capability] = frozenset()

_STATEMENT_SECONDS = 15.0


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    tenant = f"{name.replace('-', '_')}_{suffix}"
    return tenant, tenant


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    if layout.full_version.startswith(secantusdb.PREFIX):
        return secantusdb.render(node, layout, credentials, client.ADMIN)
    return mongod.render(node, layout, credentials)


def ping(address: Address, credentials: Credentials) -> None:
    client.ping(address, credentials)


def secure(address: Address, credentials: Credentials) -> None:
    """A password that is not the tenant's any more is set again: tenants cannot change theirs."""
    with client.admin(address, credentials, _STATEMENT_SECONDS) as server, client.refusals("secure_failed"):
        client.make_primary(server, address)
        client.make_admin(server, credentials)
        known = _apply(server, credentials, Restriction.NONE)
        if known and not client.lets_in(address, credentials):
            _set_password(server, credentials)


def restrict(address: Address, credentials: Credentials, restriction: Restriction) -> None:
    """SecantusDB gives a connection its rights at its login, so those of the tenant end, and its clients come again."""
    with client.admin(address, credentials, _STATEMENT_SECONDS) as server, client.refusals("restrict_failed"):
        _apply(server, credentials, restriction)
        _end_connections(server, credentials)
        if restriction is not Restriction.NONE:
            server.admin.command("fsync")  # a checkpoint, which gives freed space back


def rotate(address: Address, credentials: Credentials) -> bool:
    """A tenant that is closed out has no user: it is made again with the password of that day."""
    with client.admin(address, credentials, _STATEMENT_SECONDS) as server, client.refusals("rotate_failed"):
        if server[credentials.database].command("usersInfo", credentials.user)["users"]:
            _set_password(server, credentials)
        _end_connections(server, credentials)
    return True


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    """What costs the server nothing to tell: SecantusDB would read all documents to know their size."""
    with client.admin(address, credentials, _STATEMENT_SECONDS) as server, client.refusals("stats_failed"):
        status = server.admin.command("serverStatus")
        told = {} if "secantus" in status else server[credentials.database].command("dbStats")
    counted = {f"{name}_operations": int(number) for name, number in _numbers(status["opcounters"]).items()}
    sizes = {"dataSize": "data_size", "indexSize": "index_size", "storageSize": "storage_size", "objects": "objects"}
    return {
        "current_connections": int(status["connections"]["current"]),
        "memory_resident": int(status["mem"]["resident"]) * 1024 * 1024,
        "uptime": int(status["uptime"]),
        **counted,
        **{ours: int(told[theirs]) for theirs, ours in sizes.items() if theirs in told},
    }


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"mongodb://{access}/{credentials.database}?directConnection=true"


def _apply(server: Client, credentials: Credentials, restriction: Restriction) -> bool:
    """Bring the tenant to its rights; whether the server knew it before."""
    database = server[credentials.database]
    found = database.command("usersInfo", credentials.user)["users"]
    wants_role = restriction is Restriction.READ_ONLY
    has_role = wants_role and bool(database.command("rolesInfo", users.FREE_SPACE_ROLE)["roles"])
    for command in users.plan_commands(found[0] if found else None, has_role, credentials, restriction):
        database.command(command)
    return bool(found)


def _set_password(server: Client, credentials: Credentials) -> None:
    server[credentials.database].command("updateUser", credentials.user, pwd=credentials.password)


def _end_connections(server: Client, credentials: Credentials) -> None:
    operations = server.admin.command("currentOp")["inprog"]
    for operation in users.list_connections(operations, credentials):
        server.admin.command("killOp", op=operation)


def _numbers(document: Mapping[str, object]) -> dict[str, int | float]:
    return {name: value for name, value in document.items() if isinstance(value, int | float)}
