"""Which users and roles a server should have, and the commands that bring it there. All pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbyard.model import Credentials, Restriction

FREE_SPACE_ROLE = "dbyardFreeSpace"
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


def plan_commands(
    user: Document | None, has_role: bool, credentials: Credentials, restriction: Restriction
) -> list[dict[str, Any]]:
    """The commands that are missing on the tenant's database; `user` is what `usersInfo` tells of the tenant."""
    name = credentials.user
    if restriction is Restriction.CLOSED:
        return [{"dropUser": name}] if user else []
    commands: list[dict[str, Any]] = []
    role = "readWrite"
    if restriction is Restriction.READ_ONLY:
        role = FREE_SPACE_ROLE
        if not has_role:
            commands.append(_create_role(credentials.database))
    roles = [{"role": role, "db": credentials.database}]
    if user is None:
        commands.append({"createUser": name, "pwd": credentials.password, "roles": roles, **_SCRAM})
    elif not _same(user["roles"], roles):
        commands.append({"updateUser": name, "roles": roles})
    return commands


def list_connections(operations: Sequence[Document], credentials: Credentials) -> list[Any]:
    """The operation ids of the tenant's connections among what `currentOp` tells."""
    tenant = {"user": credentials.user, "db": credentials.database}
    return [each["opid"] for each in operations if tenant in (each.get("effectiveUsers") or [])]


_SCRAM = {"mechanisms": ["SCRAM-SHA-256"]}


def _create_role(database: str) -> dict[str, Any]:
    privilege = {"resource": {"db": database, "collection": ""}, "actions": list(_FREE_SPACE_ACTIONS)}
    return {"createRole": FREE_SPACE_ROLE, "privileges": [privilege], "roles": []}


def _same(found: Sequence[Document], wanted: Sequence[Document]) -> bool:
    return [(each["role"], each["db"]) for each in found] == [(each["role"], each["db"]) for each in wanted]
