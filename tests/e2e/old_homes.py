"""Turns a home into what the version before instances, endpoints and long operations left there, servers running.

The state goes back to its schema 7: one instance a database with its port, certificates with the credentials,
operations and events under their old names. `endpoints/` and `jobs/` were not there. The directories of servers are
the same.
"""

from __future__ import annotations

import json
import secrets as randomness
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from importlib import resources
from pathlib import Path

from dbyard import secrets
from dbyard.model import Event
from dbyard.store import events, old_events

SCHEMA = 7
_RECORDED = ("argv", "stop_signal", "stop_grace", "memory_kills", "pid", "start_time")
_SAME = ("account", "project", "token", "idempotency")
_KINDS = {"configure": "rotate", "resize": "update"}
_STEPS = {"allocate": "place", "start": "launch", "configure": "secure"}


def age(home: Path) -> None:
    """No platform may serve the home."""
    for name in ("endpoints", "jobs"):
        shutil.rmtree(home / name)
    for path in home.glob("instances/*/process.json"):
        record = json.loads(path.read_text())
        path.write_text(json.dumps({name: record[name] for name in _RECORDED}))
    state = home / "state" / "dbyard.db"
    aged = state.with_name("aged.db")
    with closing(_open(state)) as new, closing(_open(aged)) as old:
        _make_schema(old)
        _copy(home, new, old)
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for path in state.parent.glob("dbyard.db*"):
        path.unlink()
    aged.rename(state)
    (home / "state-mark").unlink(missing_ok=True)


def interrupt_with(home: Path, name: str, kind: str, step: str, status: str = "running", **facts: object) -> None:
    """As if the old platform had been killed at this step of an operation on the database, with these facts of it."""
    with closing(_open(home / "state" / "dbyard.db")) as old:
        (database_id,) = old.execute("SELECT id FROM database WHERE name = ?", (name,)).fetchone()
        for column, value in facts.items():
            table, key = ("credential", "database_id") if column == "rotating" else ("database", "id")
            old.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (value, database_id))  # noqa: S608
        old.execute(
            "INSERT INTO operation (id, database_id, kind, step, status, run_at, deadline_at, created_at)"
            " VALUES (?, ?, ?, ?, ?, 0, 600, 0)",
            (randomness.token_hex(12), database_id, kind, step, status),
        )


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _make_schema(old: sqlite3.Connection) -> None:
    scripts = {each.name: each.read_text() for each in resources.files("dbyard.schema").iterdir() if each.is_file()}
    for name in sorted(each for each in scripts if each.endswith(".sql") and int(each[:4]) <= SCHEMA):
        old.executescript(scripts[name])
    old.execute(f"PRAGMA user_version = {SCHEMA}")
    old.execute("PRAGMA foreign_keys = OFF")


def _copy(home: Path, new: sqlite3.Connection, old: sqlite3.Connection) -> None:
    for table in _SAME:
        _insert(old, table, map(dict, new.execute(f"SELECT * FROM {table}")))  # noqa: S608
    rows = new.execute("SELECT project_id, account_id, created_at FROM project_collaborator")
    _insert(old, "collaborator", map(dict, rows))
    databases = map(dict, new.execute("SELECT * FROM database"))
    _insert(old, "database", ({name: row[name] for name in row if name != "settings"} for row in databases))
    _insert(old, "instance", (_instance(home, row) for row in new.execute("SELECT * FROM instance")))
    _insert(old, "credential", _credentials(home, new))
    columns = "id, database_id, kind, step, status, attempt, run_at, deadline_at, created_at, finished_at"
    _insert(old, "operation", map(_operation, new.execute(f"SELECT {columns} FROM operation")))  # noqa: S608
    history = new.execute("SELECT operation_id, at, step, outcome, message FROM operation_event")
    _insert(old, "operation_event", ({**row, "step": _STEPS.get(row["step"], row["step"])} for row in history))
    names = {str(now): then for then, now in old_events._TYPES.items()}
    for row in new.execute("SELECT * FROM event ORDER BY seq").fetchall():
        events.append(old, _event(row, names[row["type"]]))


def _instance(home: Path, row: sqlite3.Row) -> dict[str, object]:
    place = json.loads((home / "instances" / row["id"] / "placement.json").read_text())
    kept = ("id", "database_id", "generation", "full_version", "ready_at", "restriction", "restriction_reason")
    return {name: row[name] for name in kept} | {name: place[name] for name in ("host", "port", "uid", "seed")}


def _credentials(home: Path, new: sqlite3.Connection) -> Iterable[dict[str, object]]:
    box = secrets.load_or_make_key(home / "master.key")
    query = (
        "SELECT c.database_id, c.username, c.dbname, c.password, i.id, i.certificate, i.private_key"
        " FROM credential c JOIN instance i ON i.database_id = c.database_id"
    )
    for row in map(dict, new.execute(query)):
        key = box.open(row.pop("private_key"), table="instance", column="private_key", row=row.pop("id"))
        sealed = box.seal(key, table="credential", column="private_key", row=row["database_id"])
        yield row | {"private_key": sealed}


def _operation(row: sqlite3.Row) -> dict[str, object]:
    return {**row, "kind": _KINDS.get(row["kind"], row["kind"]), "step": _STEPS.get(row["step"], row["step"])}


def _event(row: sqlite3.Row, name: str) -> Event:
    values = {column: row[column] for column in row.keys() if column not in ("seq", "previous", "hash")}  # noqa: SIM118
    values |= {"database_name": values.pop("app_name"), "type": name, "data": {"plan_name": "any"}}
    return Event(**values)


def _insert(old: sqlite3.Connection, table: str, rows: Iterable[dict[str, object]]) -> None:
    for row in rows:
        names = ", ".join(row)
        query = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608
        old.execute(query, tuple(row.values()))
