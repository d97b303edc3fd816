"""Which users and roles a server should have, and the commands that bring it there. All pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbyard.model import Desired, Restriction, User

FREE_SPACE_ROLE = "dbyardFreeSpace"
TENANT_ROLE = "dbyardTenant"
"""What a tenant may do beside reading and writing. Not the server's own `dbOwner`: that may give rights away."""
_TENANT_ACTIONS = ("dropDatabase",)
_FREE_SPACE_ACTIONS = (
    "find",
    "listCollections",
    "listIndexes",
    "collStats",
    "dbStats",
    "killCursors",
    "changeStream",
    "remove",
    "dropCollection",
    "dropIndex",
)

Document = Mapping[str, Any]


def plan_commands(user: User, found: Document | None, has_role: bool, desired: Desired) -> list[dict[str, Any]]:
    """The commands that are missing on the database; `found` is what `usersInfo` tells of the user.

    `has_role` says whether the role of `own_role` is there.
    """
    if desired.restriction is Restriction.CLOSED:
        return [{"dropUser": user.name}] if found else []
    commands = [] if has_role or user.read_only else [_create_role(desired)]
    if found and has_roles(found, user, desired):
        return [*commands, {"updateUser": user.name, "pwd": user.password}] if user.reset else commands
    if found:  # made anew, so that nobody logs in with the old roles while connections end
        commands.append({"dropUser": user.name})
    return [*commands, {"createUser": user.name, "pwd": user.password, "roles": _roles(user, desired), **_SCRAM}]


def own_role(desired: Desired) -> str:
    """The role of dbyard's own that a tenant has."""
    return FREE_SPACE_ROLE if desired.restriction is Restriction.READ_ONLY else TENANT_ROLE


def has_roles(found: Document, user: User, desired: Desired) -> bool:
    return _names(found["roles"]) == _names(_roles(user, desired))


def list_connections(operations: Sequence[Document], user: str, database: str) -> list[Any]:
    """The operation ids of the user's connections among what `currentOp` tells."""
    tenant = {"user": user, "db": database}
    return [each["opid"] for each in operations if tenant in (each.get("effectiveUsers") or [])]


_SCRAM = {"mechanisms": ["SCRAM-SHA-256"]}


def _create_role(desired: Desired) -> dict[str, Any]:
    name = own_role(desired)
    actions = _FREE_SPACE_ACTIONS if name == FREE_SPACE_ROLE else _TENANT_ACTIONS
    privilege = {"resource": {"db": desired.database, "collection": ""}, "actions": list(actions)}
    return {"createRole": name, "privileges": [privilege], "roles": []}


def _roles(user: User, desired: Desired) -> list[Document]:
    names = ["read"] if user.read_only else ["readWrite", own_role(desired)]
    if desired.restriction is Restriction.READ_ONLY and not user.read_only:
        names = [own_role(desired)]
    return [{"role": name, "db": desired.database} for name in names]


def _names(roles: Sequence[Document]) -> set[tuple[str, str]]:
    return {(each["role"], each["db"]) for each in roles}
