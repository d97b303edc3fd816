"""The log that a database's server writes: its last lines, what is new in it, and links that need no token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from dbyard import engines
from dbyard.errors import NotFound
from dbyard.model import Database, Principal
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.databases import get as get_database
from dbyard.store import databases, instances

LINK_SECONDS = 300
_FOLLOW_LINES = 1000
"""How far back a follower looks for new lines; of more lines than these between two looks some are missed."""
_AUDIENCE = "logs"
_NO_LINK = "The link to these logs is not valid, or no longer: ask for another one"


@dataclass(frozen=True, slots=True)
class LogLink:
    """Its token gives access to the log of the database, and to nothing else, for a while."""

    database_id: str
    token: str

    def __repr__(self) -> str:
        return f"LogLink(database_id={self.database_id!r})"


@dataclass(frozen=True, slots=True)
class LogLine:
    text: str
    at: datetime | None
    """When the server wrote it, by its own account; None where it does not say."""


@dataclass(frozen=True, slots=True)
class ServerLog:
    database: Database
    lines: Sequence[LogLine]
    """The last ones, oldest first."""


def read(service: Service, principal: Principal, key: str, lines: int) -> Sequence[str]:
    """The last lines, oldest first."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key)
        instance = instances.get_primary(reading, database.id)
    return service.logs(instance.id, lines) if instance else []


def follow(service: Service, principal: Principal, key: str, lines: int) -> Iterator[Sequence[str]]:
    """The last lines first, then at each step what is new since the one before, until the database is gone.

    A step never waits for new lines. Raises NotFound at once, not at the first step.
    """
    database_id = get_database(service, principal, key).id
    return _follow(service, principal, database_id, lines)


def make_link(service: Service, principal: Principal, key: str) -> LogLink:
    """A link for five minutes."""
    database = get_database(service, principal, key)
    claims = {"db": database.id, "exp": int(service.clock()) + LINK_SECONDS}
    return LogLink(database.id, service.box.sign(_AUDIENCE, claims))


def read_link(service: Service, database_id: str, token: str | None, lines: int) -> ServerLog:
    """What the link is for. Raises NotFound, also when the link has ended."""
    claims = service.box.verify(token or "", (_AUDIENCE,))
    if claims is None or claims.get("db") != database_id or claims["exp"] <= service.clock():
        raise NotFound(_NO_LINK)
    with service.store.read() as reading:
        database = databases.get(reading, database_id)
        instance = instances.get_primary(reading, database.id) if database else None
    if database is None or instance is None or database.deleted_at is not None:
        raise NotFound(_NO_LINK)
    engine = engines.load(service.catalogue.get(database.technology).engine)
    return ServerLog(database, [LogLine(line, engine.log_time(line)) for line in service.logs(instance.id, lines)])


def unseen(seen: Sequence[str], latest: Sequence[str]) -> list[str]:
    """The lines of `latest` that are not in `seen`, in order. A log of several files grows in its middle as well."""
    known = Counter(seen)
    known.subtract(latest)
    excess = {line: -count for line, count in known.items() if count < 0}
    new = []
    for line in reversed(latest):
        if excess.get(line, 0) > 0:
            excess[line] -= 1
            new.append(line)
    return new[::-1]


def _follow(service: Service, principal: Principal, key: str, lines: int) -> Iterator[Sequence[str]]:
    seen = read(service, principal, key, max(lines, _FOLLOW_LINES))
    yield seen[-lines:]
    while True:
        try:
            latest = read(service, principal, key, _FOLLOW_LINES)
        except NotFound:
            return
        yield unseen(seen, latest)
        seen = latest
