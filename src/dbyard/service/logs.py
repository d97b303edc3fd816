"""Logs by a link, as the clients of the Database API read them: lines that begin with their time and their server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from dbyard.errors import NotFound
from dbyard.model import Principal
from dbyard.service import Service
from dbyard.service.databases import own
from dbyard.service.dates import date
from dbyard.store import databases, instances
from dbyard.wire import details as wire

LINK_SECONDS = 300

_AUDIENCE = "logs"
_NO_LINK = "The link to these logs is not valid, or no longer: ask for another one"
_ISO = re.compile(r"\[?(?:ts=)?(\d{4}-\d\d-\d\d)[T ] ?(\d{1,2}:\d\d:\d\d)(?:[.,](\d{1,6}))?")
_REDIS = re.compile(r"\d+:[A-Z] (\d\d \w{3} \d{4}) (\d\d:\d\d:\d\d)\.(\d{1,6})")


def make_link(service: Service, principal: Principal, key: str) -> wire.LinkAnswer:
    """A URL that shows the logs to whoever has it, for five minutes."""
    with service.store.read() as reading:
        database = own(reading, principal, key)
    claims = {"db": database.id, "exp": int(service.clock()) + LINK_SECONDS}
    token = service.box.sign(_AUDIENCE, claims)
    return wire.LinkAnswer(f"{service.region.url}/api/databases/{database.id}/logs/lines?token={token}")


def list_archives(service: Service, principal: Principal, key: str) -> wire.LogArchivesAnswer:
    """Older logs are thrown away, not kept."""
    with service.store.read() as reading:
        own(reading, principal, key)
    return wire.LogArchivesAnswer([])


def read_link(service: Service, database_id: str, token: str | None, lines: int, only: str | None) -> str:
    """The last lines, oldest first, of the servers that `only` names (all by default). Raises NotFound."""
    claims = service.box.verify(token or "", (_AUDIENCE,))
    if claims is None or claims.get("db") != database_id or claims["exp"] <= service.clock():
        raise NotFound(_NO_LINK)
    with service.store.read() as reading:
        database, instance = databases.get(reading, database_id), instances.get_for(reading, database_id)
    if database is None or instance is None or database.deleted_at is not None:
        raise NotFound(_NO_LINK)
    kind = service.catalogue.get(database.technology).type_name
    if only and not {kind, f"{kind}-1"} & set(only.split("|")):
        return ""
    found = service.logs(instance.id, lines)
    return "".join(f"{line}\n" for line in prefix(found, f"{kind}-1", date(service.clock())))


def prefix(lines: Sequence[str], server: str, now: datetime) -> Iterator[str]:
    """`DATE TIME OFFSET ZONE [SERVER] LINE`; one without a time of its own has the time of the one before it."""
    times = [_time(line) for line in lines]
    last = next((each for each in times if each), now)
    for line, time in zip(lines, times, strict=True):
        last = time or last
        yield f"{last:%Y-%m-%d %H:%M:%S.%f +0000 UTC} [{server}] {line}"


def _time(line: str) -> datetime | None:
    """When the server says that it wrote the line; servers tell it in UTC."""
    for pattern, day in ((_ISO, "%Y-%m-%d"), (_REDIS, "%d %b %Y")):
        if found := pattern.match(line):
            text = f"{found[1]} {found[2]} {(found[3] or '0').ljust(6, '0')}"
            try:
                return datetime.strptime(text, f"{day} %H:%M:%S %f").replace(tzinfo=UTC)
            except ValueError:
                return None
    return None
