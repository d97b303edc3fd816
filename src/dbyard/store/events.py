"""Events: recorded in the transaction that does what they tell, and chained by their hashes.

The hash of an event is the SHA-256 over the hash of the event before it (32 zero bytes before the first) and its own
columns `seq` to `data`, in the order of the table, as a JSON array: no spaces, UTF-8, `data` as its stored text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from sqlite3 import Row

from dbyard.model import PLATFORM_ID, Database, Event, EventType, Principal
from dbyard.secrets import make_id
from dbyard.store import Connection, projects
from dbyard.store.old_events import stored_names, to_current

_COLUMNS = "seq, id, at, owner_id, account_id, username, email, token_id, project_id, database_id, app_name, type, data"
_BEFORE_THE_FIRST = bytes(32)
_PLATFORM = ("dbyard", "platform@localhost")

_OWN = "SELECT seq FROM event WHERE owner_id = :account"
_DONE_ELSEWHERE = "SELECT seq FROM event WHERE account_id = :account AND account_id <> owner_id"
_BY_OTHERS = " AND owner_id <> :account AND account_id IS NOT :account"
_DONE_IN_PROJECTS = (
    "SELECT seq FROM event WHERE project_id IN"
    f" (SELECT project_id FROM project_collaborator WHERE account_id = :account){_BY_OTHERS}"
)
_DONE_TO_DATABASES = (
    "SELECT seq FROM event WHERE database_id IN"
    f" (SELECT database_id FROM database_collaborator WHERE account_id = :account){_BY_OTHERS}"
    " AND project_id NOT IN (SELECT project_id FROM project_collaborator WHERE account_id = :account)"
)


@dataclass(frozen=True, slots=True)
class Chain:
    """What a walk along the events found: how many fit, the hash of the last one, and what is wrong with the next."""

    count: int
    head: bytes
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Queries whose `seq`s together are those of some events, and their values."""

    queries: Sequence[str]
    values: Mapping[str, object]
    types: str = ""
    """What is added to each query to leave out other types."""

    @property
    def query(self) -> str:
        return " UNION ALL ".join(f"{each}{self.types}" for each in self.queries)

    def only(self, types: Collection[EventType]) -> Selection:
        """Those of these types, also where they are stored under an older name."""
        names = {f"type{number}": name for number, name in enumerate(sorted(stored_names(types)))}
        marks = ", ".join(f":{name}" for name in names)
        return replace(self, values={**self.values, **names}, types=f" AND type IN ({marks})")


def record(
    connection: Connection,
    principal: Principal | None,
    kind: EventType,
    now: float,
    *,
    database: Database | None = None,
    project_id: str | None = None,
    owner_id: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Record what this transaction does, and for whom (None: the platform itself). `data` never holds a secret.

    The event concerns a database, else a project, else an account: `owner_id`, or the principal's. Record a removal
    before the row goes.
    """
    project_id = database.project_id if database else project_id
    owner_id = owner_id or (project_id and projects.owner_of(connection, project_id))
    account = principal.account if principal else None
    username, email = (account.username, account.email) if account else _PLATFORM
    event = Event(
        id=make_id(),
        at=now,
        owner_id=owner_id or (account.id if account else PLATFORM_ID),
        account_id=account.id if account else None,
        username=username,
        email=email,
        token_id=(principal.token_id or None) if principal else None,
        project_id=project_id,
        database_id=database.id if database else None,
        database_name=database.name if database else None,
        type=kind,
        data=data or {},
    )
    append(connection, event)


def append(connection: Connection, event: Event) -> None:
    """Append an event. Writers take turns, so the last event is still the last one when the transaction ends."""
    last = connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = (last["seq"] + 1, last["hash"]) if last else (1, _BEFORE_THE_FIRST)
    data = json.dumps(event.data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    values = (
        seq, event.id, event.at, event.owner_id, event.account_id, event.username, event.email, event.token_id,
        event.project_id, event.database_id, event.database_name, event.type, data,
    )  # fmt: skip
    connection.execute(
        f"INSERT INTO event ({_COLUMNS}, previous, hash) VALUES ({', '.join('?' * 15)})",
        (*values, previous, _hash(previous, values)),
    )


def walk(connection: Connection) -> Iterator[Chain]:
    """The chain after each event, oldest first, until one does not fit what came before it."""
    count, head = 0, _BEFORE_THE_FIRST
    for row in connection.execute(f"SELECT {_COLUMNS}, previous, hash FROM event ORDER BY seq"):
        fault = _find_fault(row, count + 1, head)
        if fault is not None:
            yield Chain(count, head, fault)
            return
        count, head = count + 1, row["hash"]
        yield Chain(count, head)


def head(connection: Connection) -> tuple[int, str]:
    """The number and the hash of the last event; 0 and nothing before the first."""
    row = connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return (row["seq"], row["hash"].hex()) if row else (0, "")


def hash_of(connection: Connection, seq: int) -> str | None:
    """The hash of the event of that number; nothing for 0, None when there is no such event."""
    row = connection.execute("SELECT hash FROM event WHERE seq = ?", (seq,)).fetchone()
    return row["hash"].hex() if row else "" if seq == 0 else None


# ---- reading them -----------------------------------------------------------------------------------------------


def everything() -> Selection:
    return Selection(["SELECT seq FROM event WHERE TRUE"], {})


def of_account(account_id: str, project_id: str | None = None) -> Selection:
    """What concerns the account, what it did elsewhere, and what others did where it collaborates.

    In one project alone, if one is given.
    """
    values = {"account": account_id, "project": project_id}
    elsewhere = (_DONE_ELSEWHERE, _DONE_IN_PROJECTS, _DONE_TO_DATABASES)
    if project_id is None:
        return Selection([_OWN, *elsewhere], values)
    bound = " AND +project_id = :project"  # plus: these are found by their own indexes
    return Selection([f"{_OWN} AND project_id = :project", *(each + bound for each in elsewhere)], values)


def of_database(database_id: str) -> Selection:
    return Selection(["SELECT seq FROM event WHERE database_id = :database"], {"database": database_id})


def was_told(connection: Connection, database_id: str, kind: EventType, since: float) -> bool:
    """Whether there is an event of that type of the database since then."""
    query = "SELECT 1 FROM event WHERE database_id = ? AND type = ? AND at > ? LIMIT 1"
    return connection.execute(query, (database_id, kind, since)).fetchone() is not None


def count(connection: Connection, selection: Selection) -> int:
    (number,) = connection.execute(f"SELECT count(*) FROM ({selection.query})", selection.values).fetchone()
    return int(number)


def list_page(connection: Connection, selection: Selection, limit: int, offset: int) -> list[Event]:
    """Newest first. Only the page's rows are read whole; what comes before it is passed over in an index."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM event WHERE seq IN"
        f" ({selection.query} ORDER BY seq DESC LIMIT :limit OFFSET :offset) ORDER BY seq DESC",
        {**selection.values, "limit": limit, "offset": offset},
    ).fetchall()
    return [_event(row) for row in rows]


def _find_fault(row: Row, seq: int, previous: bytes) -> str | None:
    name = f"event {row['seq']} ({row['id']})"
    if row["seq"] != seq:
        return f"event {seq} is missing: {name} comes instead"
    if row["previous"] != previous:
        return f"{name} does not follow the event before it"
    if row["hash"] != _hash(previous, tuple(row)[:-2]):
        return f"{name} is not what was recorded"
    return None


def _hash(previous: bytes, values: tuple[object, ...]) -> bytes:
    return hashlib.sha256(previous + json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()).digest()


def _event(row: Row) -> Event:
    kind, data = to_current(row["type"], json.loads(row["data"]))
    return Event(
        id=row["id"],
        at=row["at"],
        owner_id=row["owner_id"],
        account_id=row["account_id"],
        username=row["username"],
        email=row["email"],
        token_id=row["token_id"],
        project_id=row["project_id"],
        database_id=row["database_id"],
        database_name=row["app_name"],
        type=kind,
        data=data,
    )
