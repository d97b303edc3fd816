"""The log that a database's server writes: its last lines, what is new in it, and links that need no token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from dbyard import engines
from dbyard.errors import NotFound, RequestError, Unauthorized
from dbyard.model import Database, Instance, Principal
from dbyard.model.times import to_datetime
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.databases import get as get_database
from dbyard.store import instances

Found = TypeVar("Found", Instance, Instance | None)

_FOLLOW_LINES = 1000
"""How far back a follower looks for new lines; of more lines than these between two looks some are missed."""
_LINES_BEFORE = 1000
"""How far back from the first line that is shown a time is looked for, where that line has none."""
_NO_LINK = "The link to these logs is not valid, or no longer: ask for another one"


@dataclass(frozen=True, slots=True)
class LogLink:
    """Its token gives access to the log of the database, and to nothing else, for five minutes.

    It ends before that with the token and the access of the account that made it.
    """

    database_id: str
    token: str

    def __repr__(self) -> str:
        return f"LogLink(database_id={self.database_id!r})"


@dataclass(frozen=True, slots=True)
class LogLine:
    text: str
    at: datetime
    """When the server wrote it by its own account; of a line that does not say, of the one before it."""


@dataclass(frozen=True, slots=True)
class FollowedLog:
    """At each step what is new, beginning with nothing."""

    database: Database
    steps: Iterator[Sequence[LogLine]]


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
    return LogLink(database.id, authentication.sign_log_link(service, principal, database.id))


def owner_of_link(service: Service, token: str | None) -> Principal:
    """Who made the link; raises NotFound when it is none or has ended."""
    return _authenticate_link(service, token or "", None)


def read_link(service: Service, database_id: str, token: str | None, lines: int) -> tuple[Database, Sequence[LogLine]]:
    """The database that the link is for, and the last lines of its log, oldest first.

    Raises NotFound, also when the link has ended or its maker may not see the database any more.
    """
    _, database, instance = _open_link(service, database_id, token or "")
    texts = service.logs(instance.id, lines + _LINES_BEFORE)
    return database, _add_times(service, database, instance, texts)[-lines:]


def follow_link(service: Service, database_id: str, token: str | None) -> FollowedLog:
    """What is new in the log that the link is for, from now on.

    The link has to be good now; then it lasts as long as its maker's token and access. Raises NotFound as `read_link`.
    """
    _, database, instance = _open_link(service, database_id, token or "")
    opened_at, looked = service.clock(), _look(service, instance, _FOLLOW_LINES)

    def find() -> tuple[Database, Instance]:
        _, database, instance = _open_link(service, database_id, token or "", opened_at)
        return database, instance

    steps = _follow_on(service, find, looked)
    return FollowedLog(database, (_time_new(service, *step) for step in steps))


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


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen of a log: its last lines, and its state just before they were read."""

    state: str
    lines: Sequence[str]
    new: Sequence[str] = ()
    """Those that the look before did not show."""


def _follow(service: Service, principal: Principal, database_id: str, lines: int) -> Iterator[Sequence[str]]:
    def find() -> tuple[Database, Instance | None]:
        with service.store.read() as reading:
            database = authorize_database(reading, principal, database_id)
            return database, instances.get_primary(reading, database.id)

    _, instance = find()
    first = _look(service, instance, max(lines, _FOLLOW_LINES))
    yield first.lines[-lines:]
    for _, _, look in _follow_on(service, find, first):
        yield look.new


def _follow_on(
    service: Service, find: Callable[[], tuple[Database, Found]], last: _Look
) -> Iterator[tuple[Database, Found, _Look]]:
    """What is there at each step, until `find` refuses it. A log that was not written to since is not read again."""
    while True:
        try:
            database, instance = find()
        except RequestError:
            return
        last = _look(service, instance, _FOLLOW_LINES, last)
        yield database, instance, last


def _look(service: Service, instance: Instance | None, lines: int, last: _Look | None = None) -> _Look:
    if instance is None:
        return _Look("", ())
    state = service.log_state(instance.id)
    if last is not None and state == last.state:
        return replace(last, new=())
    latest = service.logs(instance.id, lines)
    return _Look(state, latest, unseen(last.lines, latest) if last is not None else ())


def _open_link(
    service: Service, database_id: str, token: str, opened_at: float | None = None
) -> tuple[Principal, Database, Instance]:
    principal = _authenticate_link(service, token, opened_at)
    with service.store.read() as reading:
        database = authorize_database(reading, principal, database_id)
        instance = instances.get_primary(reading, database.id)
    if instance is None:
        raise NotFound(_NO_LINK)
    return principal, database, instance


def _authenticate_link(service: Service, token: str, opened_at: float | None) -> Principal:
    try:
        return authentication.authenticate_log_link(service, token, opened_at)
    except Unauthorized:
        raise NotFound(_NO_LINK) from None


def _add_times(service: Service, database: Database, instance: Instance, texts: Sequence[str]) -> list[LogLine]:
    """Lines before the first that has a time get that one; the server's own beginning where none has."""
    engine = engines.load(service.catalogue.get(database.technology).engine)
    times = [engine.log_time(text) for text in texts]
    last = next((time for time in times if time), to_datetime(instance.ready_at or database.created_at))
    found = []
    for text, time in zip(texts, times, strict=True):
        last = time or last
        found.append(LogLine(text, last))
    return found


def _time_new(service: Service, database: Database, instance: Instance, look: _Look) -> list[LogLine]:
    return _take_new(_add_times(service, database, instance, look.lines), look.new) if look.new else []


def _take_new(lines: Sequence[LogLine], new: Sequence[str]) -> list[LogLine]:
    """The lines with these texts, the last ones where a text is there more than once."""
    wanted, found = list(new), []
    for line in reversed(lines):
        if wanted and line.text == wanted[-1]:
            wanted.pop()
            found.append(line)
    return found[::-1]
