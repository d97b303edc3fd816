"""Queries on instances: where each server of a database lives, and since when it answers."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dbyard.model import Instance, Placement, Restriction, Version
from dbyard.store import Connection

_COLUMNS = (
    "i.id, i.database_id, i.generation, i.full_version, i.host, i.port, i.uid, i.seed, i.ready_at,"
    " i.restriction, i.restriction_reason, i.restricted_at"
)


@dataclass(frozen=True, slots=True)
class MonitoredInstance:
    """A running instance whose disk is watched. `failed`: its last restriction could not be applied."""

    id: str
    database_id: str
    technology: str
    plan: str
    restriction: Restriction
    failed: bool


def get_for(connection: Connection, database_id: str) -> Instance | None:
    """The instance of a database, deleted ones included until they are forgotten."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM instance i WHERE i.database_id = ?", (database_id,)).fetchone()
    return _instance(row) if row else None


def set_placement(connection: Connection, instance_id: str, placement: Placement) -> None:
    connection.execute(
        "UPDATE instance SET host = ?, port = ?, uid = ?, seed = ? WHERE id = ?",
        (placement.host, placement.port, placement.uid, placement.seed, instance_id),
    )


def set_ready(connection: Connection, instance_id: str, now: float) -> None:
    """The instance answers for the first time: from now on its endpoint stays."""
    connection.execute("UPDATE instance SET ready_at = ? WHERE id = ? AND ready_at IS NULL", (now, instance_id))


def set_full_version(connection: Connection, instance_id: str, full_version: str) -> None:
    """Another build of its server has taken the instance over."""
    connection.execute("UPDATE instance SET full_version = ? WHERE id = ?", (full_version, instance_id))


def set_restriction(
    connection: Connection, instance_id: str, restriction: Restriction, reason: str | None, now: float
) -> None:
    """What the tenant may do from now on; an operation brings the server to it."""
    connection.execute(
        "UPDATE instance SET restriction = ?, restriction_reason = ?, restricted_at = ? WHERE id = ?",
        (restriction, reason, now if restriction is not Restriction.NONE else None, instance_id),
    )


_OF_SETTLED = (
    " FROM instance i JOIN database d ON d.id = i.database_id"
    " WHERE d.deleted_at IS NULL AND i.ready_at IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM operation o WHERE o.database_id = d.id AND o.status IN ('pending', 'running'))"
)
_SETTLED = f"SELECT {_COLUMNS}{_OF_SETTLED}"


def list_settled(connection: Connection) -> list[Instance]:
    """The instances that should run now: ready before, not deleted, and no operation is at work on them."""
    return [_instance(row) for row in connection.execute(_SETTLED).fetchall()]


def list_unrotated(connection: Connection) -> set[str]:
    """The ids of settled instances whose server may not have its tenant's password yet: a rotate that failed."""
    rotating = " AND EXISTS (SELECT 1 FROM credential c WHERE c.database_id = d.id AND c.rotating = 1)"
    return {row["id"] for row in connection.execute(f"SELECT i.id{_OF_SETTLED}{rotating}").fetchall()}


def get_settled(connection: Connection, instance_id: str) -> Instance | None:
    """The instance, if it should run now."""
    row = connection.execute(f"{_SETTLED} AND i.id = ?", (instance_id,)).fetchone()
    return _instance(row) if row else None


def list_watched(connection: Connection) -> list[MonitoredInstance]:
    """The settled instances, as whoever watches their disks needs them."""
    failed = (
        "(SELECT o.status FROM operation o WHERE o.database_id = d.id AND o.kind = 'restrict'"
        " ORDER BY o.seq DESC LIMIT 1) IS 'error' AS failed"
    )
    rows = connection.execute(
        f"SELECT i.id, i.database_id, d.technology, d.plan, i.restriction, {failed}{_OF_SETTLED}"
    ).fetchall()
    return [
        MonitoredInstance(
            row["id"],
            row["database_id"],
            row["technology"],
            row["plan"],
            Restriction(row["restriction"]),
            bool(row["failed"]),
        )
        for row in rows
    ]


def list_undeleted(connection: Connection) -> list[str]:
    """The ids of deleted databases whose delete operation has ended without removing them."""
    rows = connection.execute(
        "SELECT id FROM database d WHERE deleted_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM operation o WHERE o.database_id = d.id AND o.status IN ('pending', 'running'))"
    ).fetchall()
    return [row["id"] for row in rows]


def is_used(connection: Connection, version: Version) -> bool:
    """Whether any database has this version of a server."""
    row = connection.execute(
        "SELECT 1 FROM database WHERE technology = ? AND version = ? AND deleted_at IS NULL LIMIT 1",
        (version.technology, version.version),
    ).fetchone()
    return row is not None


def list_servers(connection: Connection) -> list[tuple[str, str, str, str]]:
    """Name, technology, version and full version of every database that still has an instance, deleted ones too."""
    rows = connection.execute(
        "SELECT d.name, d.technology, d.version, i.full_version FROM instance i JOIN database d ON d.id = i.database_id"
    ).fetchall()
    return [(row["name"], row["technology"], row["version"], row["full_version"]) for row in rows]


def forget(connection: Connection, database_id: str) -> None:
    """Remove a deleted database and everything that hangs on it."""
    connection.execute("DELETE FROM database WHERE id = ? AND deleted_at IS NOT NULL", (database_id,))


def _instance(row: Row) -> Instance:
    placed = None if row["port"] is None else Placement(row["host"], row["port"], row["uid"], row["seed"])
    return Instance(
        row["id"],
        row["database_id"],
        row["generation"],
        row["full_version"],
        placed,
        row["ready_at"],
        Restriction(row["restriction"]),
        row["restriction_reason"],
        row["restricted_at"],
    )
