"""Copies of a server's files as they are at one moment, as a tar. It starts on them as after a kill."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from dbyard.engines.file_copies import render_copy, render_unpacking
from dbyard.engines.influxdb.session import Refused, ask, identifier, rows
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Count, Credentials, Layout, Tool

_COUNT_SECONDS = 5.0
_STORED = ("meta/meta.db", "data/*/*/*/*.tsm", "data/*/*/*/*.tombstone", "data/*/*/*/fields.idx", "wal/*/*/*/*.wal")
"""Not the numbers of series, which a start gives out anew."""
_LOG = ".wal"
_COUNT = "count_"


def render_backup(layout: Layout, credentials: Credentials) -> Tool:  # noqa: ARG001 - the server is not asked
    return render_copy(layout, _STORED, _LOG)


def render_restore(layout: Layout) -> Tool:
    return render_unpacking(layout)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:  # noqa: ARG001 - counting reads all points
    return None


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The values of fields, by `database.policy.measurement.field`; what takes too long is left out."""
    deadline = time.monotonic() + _COUNT_SECONDS
    found: dict[str, Count] = {}
    try:
        policies = _list_policies(address, credentials.admin_password)
        changes = _list_changes(address, credentials.admin_password)
        for database, policy, measurement in _list_measurements(address, credentials.admin_password, policies):
            left = deadline - time.monotonic()
            if left < 0.1:
                break
            source = ".".join(identifier(each) for each in (database, policy, measurement))
            for field, number in _count_fields(address, credentials.admin_password, source, left).items():
                found[f"{database}.{policy}.{measurement}.{field}"] = Count(number, changes[database, policy])
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return found


def _list_policies(address: Address, password: str) -> list[tuple[str, str]]:
    (told,) = ask(address, password, ["SHOW DATABASES"], _COUNT_SECONDS)
    databases = [str(row["name"]) for row in rows(told)]
    wanted = [f"SHOW RETENTION POLICIES ON {identifier(each)}" for each in databases]
    results = ask(address, password, wanted, _COUNT_SECONDS)
    return [
        (database, str(row["name"]))
        for database, result in zip(databases, results, strict=True)
        for row in rows(result)
    ]


def _list_measurements(address: Address, password: str, policies: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    databases = sorted({database for database, _ in policies})
    wanted = [f"SHOW MEASUREMENTS ON {identifier(each)} LIMIT 1000" for each in databases]
    results = zip(databases, ask(address, password, wanted, _COUNT_SECONDS), strict=True)
    measurements = {database: [str(row["name"]) for row in rows(result)] for database, result in results}
    return [(database, policy, each) for database, policy in policies for each in measurements[database]]


def _list_changes(address: Address, password: str) -> Counter[tuple[str, str]]:
    """The points written since the start, by database and policy."""
    (told,) = ask(address, password, ["SHOW STATS FOR 'shard'"], _COUNT_SECONDS)
    written: Counter[tuple[str, str]] = Counter()
    for series in told.get("series", ()):
        tags = series["tags"]
        written[tags["database"], tags["retentionPolicy"]] += sum(
            int(row["writePointsOk"]) for row in rows({"series": [series]})
        )
    return written


def _count_fields(address: Address, password: str, source: str, seconds: float) -> dict[str, int]:
    """Nothing where it takes too long, or more than the plan has for a query."""
    try:
        (told,) = ask(address, password, [f"SELECT count(*) FROM {source}"], seconds)  # noqa: S608
    except (NotReady, Refused):
        return {}
    found: Any = rows(told)
    return {
        name.removeprefix(_COUNT): int(number)
        for row in found
        for name, number in row.items()
        if name.startswith(_COUNT) and number is not None
    }
