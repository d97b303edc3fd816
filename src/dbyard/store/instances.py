"""Queries on instances: the servers of databases, what is known of them, and which of them should run."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dbyard.model import Instance, Placement, Restriction, Role, Settings
from dbyard.store import Connection, databases

_COLUMNS = (
    "i.id, i.database_id, i.generation, i.full_version, i.role, i.placement, i.lineage, i.ready_at, i.down_at,"
    " i.down_reason, i.restriction, i.restriction_reason, i.restricted_at, i.applied_restriction, i.login_error,"
    " i.retired_at"
)
_ACTIVE = "SELECT 1 FROM operation o WHERE o.database_id = d.id AND o.status IN ('pending', 'running')"
# The instances whose servers should run now: ready before, serving, not deleted, and no operation owns them.
_SHOULD_RUN = (
    " FROM instance i JOIN database d ON d.id = i.database_id"
    " WHERE d.deleted_at IS NULL AND i.ready_at IS NOT NULL AND i.role IN ('primary', 'standby')"
    f" AND NOT EXISTS ({_ACTIVE} AND o.owns_server = 1)"
)
_PENDING_PASSWORD = "EXISTS (SELECT 1 FROM credential c WHERE c.database_id = d.id AND c.pending = 1)"  # noqa: S105
_PENDING_USER = "EXISTS (SELECT 1 FROM database_user u WHERE u.database_id = d.id AND u.pending = 1)"
_UNCONFIGURED = (
    " AND (i.restriction <> i.applied_restriction OR i.applied_settings <> d.settings"
    f" OR (i.role = 'primary' AND ({_PENDING_PASSWORD} OR {_PENDING_USER})))"
)


@dataclass(frozen=True, slots=True)
class MonitoredInstance:
    """An instance that should run, as its disk and its health are watched."""

    id: str
    database_id: str
    technology: str
    plan: str
    restriction: Restriction
    applied: Restriction = Restriction.NONE
    reason: str | None = None
    """Of the restriction."""


@dataclass(frozen=True, slots=True)
class SealedCertificate:
    """A leaf certificate as it lies in the store; `private_key` opens only for the same instance."""

    certificate: str
    private_key: bytes
    ends_at: float


def insert(connection: Connection, instance: Instance) -> None:
    connection.execute(
        "INSERT INTO instance (id, database_id, generation, full_version, role, lineage) VALUES (?, ?, ?, ?, ?, ?)",
        (
            instance.id,
            instance.database_id,
            instance.generation,
            instance.full_version,
            instance.role,
            instance.lineage,
        ),
    )


def delete(connection: Connection, instance_id: str) -> None:
    """Its runtime has removed everything of it."""
    connection.execute("DELETE FROM instance WHERE id = ?", (instance_id,))


def get_primary(connection: Connection, database_id: str) -> Instance | None:
    """The primary of a database, deleted ones included until they are forgotten."""
    query = f"SELECT {_COLUMNS} FROM instance i WHERE i.database_id = ? AND i.role = 'primary'"
    row = connection.execute(query, (database_id,)).fetchone()
    return _instance(row) if row else None


def list_for(connection: Connection, database_id: str) -> list[Instance]:
    """All of a database, the primary first."""
    query = f"SELECT {_COLUMNS} FROM instance i WHERE i.database_id = ? ORDER BY i.role <> 'primary', i.rowid"
    return [_instance(row) for row in connection.execute(query, (database_id,))]


def list_servers(connection: Connection) -> list[tuple[str, str, str, str]]:
    """Name, technology, version and full version of every database that still has an instance, deleted ones too."""
    rows = connection.execute(
        "SELECT d.name, d.technology, d.version, i.full_version FROM instance i JOIN database d ON d.id = i.database_id"
    ).fetchall()
    return [(row["name"], row["technology"], row["version"], row["full_version"]) for row in rows]


def list_ids(connection: Connection) -> set[str]:
    return {row["id"] for row in connection.execute("SELECT id FROM instance")}


# ---- what should run --------------------------------------------------------------------------------------------


def list_should_run(connection: Connection) -> list[Instance]:
    return [_instance(row) for row in connection.execute(f"SELECT {_COLUMNS}{_SHOULD_RUN}").fetchall()]


def should_run(connection: Connection, instance_id: str) -> Instance | None:
    """The instance, if it should run now."""
    row = connection.execute(f"SELECT {_COLUMNS}{_SHOULD_RUN} AND i.id = ?", (instance_id,)).fetchone()
    return _instance(row) if row else None


def list_monitored(connection: Connection) -> list[MonitoredInstance]:
    columns = "i.id, i.database_id, d.technology, d.plan, i.restriction, i.applied_restriction, i.restriction_reason"
    rows = connection.execute(f"SELECT {columns}{_SHOULD_RUN}").fetchall()
    return [
        MonitoredInstance(instance_id, database_id, technology, plan, Restriction(wanted), Restriction(applied), reason)
        for instance_id, database_id, technology, plan, wanted, applied, reason in rows
    ]


def list_unconfigured(connection: Connection) -> list[Instance]:
    """Those that should run whose server was not brought yet to what is wanted of it."""
    query = f"SELECT {_COLUMNS}{_SHOULD_RUN}{_UNCONFIGURED}"
    return [_instance(row) for row in connection.execute(query).fetchall()]


def is_unconfigured(connection: Connection, instance_id: str) -> bool:
    """Whether it is one of those."""
    query = f"SELECT 1{_SHOULD_RUN}{_UNCONFIGURED} AND i.id = ?"
    return connection.execute(query, (instance_id,)).fetchone() is not None


def list_expiring(connection: Connection, before: float) -> list[Instance]:
    """Those that should run whose certificate ends before that time."""
    query = f"SELECT {_COLUMNS}{_SHOULD_RUN} AND i.certificate_ends_at < ?"
    return [_instance(row) for row in connection.execute(query, (before,)).fetchall()]


# ---- facts ------------------------------------------------------------------------------------------------------


def set_allocated(connection: Connection, instance_id: str, placement: Placement, lineage: str) -> None:
    """Its runtime has given it a place, and perhaps data."""
    connection.execute("UPDATE instance SET placement = ?, lineage = ? WHERE id = ?", (placement, lineage, instance_id))


def set_lost(connection: Connection, instance_id: str, reason: str) -> None:
    """Nothing of it is left but that its database had it: it is to be made again."""
    connection.execute(
        "UPDATE instance SET placement = NULL, lineage = NULL, ready_at = NULL, down_at = NULL, down_reason = ?,"
        " restriction = 'none', restriction_reason = NULL, restricted_at = NULL, applied_restriction = 'none',"
        " applied_settings = '{}', login_error = NULL, certificate = NULL, private_key = NULL,"
        " certificate_ends_at = NULL WHERE id = ?",
        (reason, instance_id),
    )


def set_lineage(connection: Connection, instance_id: str, lineage: str) -> None:
    """Its data will be those."""
    connection.execute("UPDATE instance SET lineage = ? WHERE id = ?", (lineage, instance_id))


def set_role(connection: Connection, instance_id: str, role: Role) -> None:
    connection.execute("UPDATE instance SET role = ?, retired_at = NULL WHERE id = ?", (role, instance_id))


def retire(connection: Connection, instance_id: str, now: float) -> None:
    """It serves no more, and is kept for an undo."""
    connection.execute("UPDATE instance SET role = 'retired', retired_at = ? WHERE id = ?", (now, instance_id))


def list_left(connection: Connection) -> list[Instance]:
    """Scratch instances of which no active operation knows."""
    named = "i.id IN (json_extract(o.result, '$.instance_id'), json_extract(o.params, '$.instance_id'))"
    query = (
        f"SELECT {_COLUMNS} FROM instance i JOIN database d ON d.id = i.database_id"
        f" WHERE i.role = 'scratch' AND NOT EXISTS ({_ACTIVE} AND {named})"
    )
    return [_instance(row) for row in connection.execute(query).fetchall()]


def list_retired(connection: Connection, before: float) -> list[Instance]:
    """Those that were retired before that time, of databases on which no exclusive operation is at work."""
    query = (
        f"SELECT {_COLUMNS} FROM instance i JOIN database d ON d.id = i.database_id"
        f" WHERE i.role = 'retired' AND i.retired_at < ? AND NOT EXISTS ({_ACTIVE} AND o.exclusive = 1)"
    )
    return [_instance(row) for row in connection.execute(query, (before,)).fetchall()]


def set_ready(connection: Connection, instance_id: str, now: float) -> None:
    """It serves; the first time is remembered."""
    connection.execute(
        "UPDATE instance SET ready_at = coalesce(ready_at, ?), down_at = NULL, down_reason = NULL WHERE id = ?",
        (now, instance_id),
    )


def set_down(connection: Connection, instance_id: str, now: float, reason: str) -> None:
    """It does not serve although it should; since when is remembered, the newest reason is shown."""
    connection.execute(
        "UPDATE instance SET down_at = coalesce(down_at, ?), down_reason = ? WHERE id = ?", (now, reason, instance_id)
    )


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


def set_applied_restriction(connection: Connection, instance_id: str, restriction: Restriction) -> None:
    """The server was brought to this; what is wanted may be another one by now."""
    connection.execute("UPDATE instance SET applied_restriction = ? WHERE id = ?", (restriction, instance_id))


def set_applied_settings(connection: Connection, instance_id: str, settings: Settings) -> None:
    """The server was brought to these."""
    text = databases.write_settings(settings)
    connection.execute("UPDATE instance SET applied_settings = ? WHERE id = ?", (text, instance_id))


def set_login_error(connection: Connection, instance_id: str, reason: str | None) -> None:
    """Why its tenant cannot log in; None when it can."""
    connection.execute("UPDATE instance SET login_error = ? WHERE id = ?", (reason, instance_id))


def replace_login_error(connection: Connection, instance_id: str, known: str | None, reason: str | None) -> bool:
    """The same, unless it is no longer what was `known`; whether it was."""
    query = "UPDATE instance SET login_error = ? WHERE id = ? AND login_error IS ?"
    return connection.execute(query, (reason, instance_id, known)).rowcount > 0


# ---- certificates -----------------------------------------------------------------------------------------------


def certificate_of(connection: Connection, instance_id: str) -> SealedCertificate | None:
    row = connection.execute(
        "SELECT certificate, private_key, certificate_ends_at FROM instance WHERE id = ?", (instance_id,)
    ).fetchone()
    return SealedCertificate(*row) if row and row["certificate"] is not None else None


def set_certificate(connection: Connection, instance_id: str, sealed: SealedCertificate) -> None:
    connection.execute(
        "UPDATE instance SET certificate = ?, private_key = ?, certificate_ends_at = ? WHERE id = ?",
        (sealed.certificate, sealed.private_key, sealed.ends_at, instance_id),
    )


def list_moving_certificates(connection: Connection) -> list[tuple[str, str, str, bytes]]:
    """Instance, database, certificate and key of those that are still sealed for a database's credential."""
    rows = connection.execute(
        "SELECT i.id, m.database_id, m.certificate, m.private_key FROM moving_certificate m"
        " JOIN instance i ON i.database_id = m.database_id AND i.role = 'primary'"
    ).fetchall()
    return [tuple(row) for row in rows]


def forget_moving_certificates(connection: Connection) -> None:
    connection.execute("DELETE FROM moving_certificate")


def _instance(row: Row) -> Instance:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    values["role"] = Role(values["role"])
    values["restriction"] = Restriction(values["restriction"])
    values["applied_restriction"] = Restriction(values["applied_restriction"])
    return Instance(**values)
