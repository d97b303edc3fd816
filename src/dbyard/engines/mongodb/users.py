"""Which users and roles a server should have, and the commands that bring it there. All pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbyard.model import Desired, Restriction, User

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


def plan_commands(user: User, found: Document | None, has_role: bool, desired: Desired) -> list[dict[str, Any]]:
    """The commands that are missing on the database; `found` is what `usersInfo` tells of the user."""
    if desired.restriction is Restriction.CLOSED:
        return [{"dropUser": user.name}] if found else []
    commands: list[dict[str, Any]] = []
    if desired.restriction is Restriction.READ_ONLY and not has_role:
        commands.append(_create_role(desired.database))
    if found and has_roles(found, desired):
        return [*commands, {"updateUser": user.name, "pwd": user.password}] if user.reset else commands
    if found:  # made anew, so that nobody logs in with the old roles while connections end
        commands.append({"dropUser": user.name})
    return [*commands, {"createUser": user.name, "pwd": user.password, "roles": _roles(desired), **_SCRAM}]


def has_roles(found: Document, desired: Desired) -> bool:
    wanted = [(each["role"], each["db"]) for each in _roles(desired)]
    return [(each["role"], each["db"]) for each in found["roles"]] == wanted


def list_connections(operations: Sequence[Document], user: User, database: str) -> list[Any]:
    """The operation ids of the user's connections among what `currentOp` tells."""
    tenant = {"user": user.name, "db": database}
    return [each["opid"] for each in operations if tenant in (each.get("effectiveUsers") or [])]


_SCRAM = {"mechanisms": ["SCRAM-SHA-256"]}


def _create_role(database: str) -> dict[str, Any]:
    privilege = {"resource": {"db": database, "collection": ""}, "actions": list(_FREE_SPACE_ACTIONS)}
    return {"createRole": FREE_SPACE_ROLE, "privileges": [privilege], "roles": []}


def _roles(desired: Desired) -> list[Document]:
    role = FREE_SPACE_ROLE if desired.restriction is Restriction.READ_ONLY else "readWrite"
    return [{"role": role, "db": desired.database}]
