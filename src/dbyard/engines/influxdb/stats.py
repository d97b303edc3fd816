"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.influxdb.session import ANSWER_SECONDS, ask, rows
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Credentials

_COUNTERS: Mapping[str, Mapping[str, str]] = {
    "database": {"numMeasurements": "measurements", "numSeries": "series"},
    "httpd": {
        "queryReq": "queries",
        "writeReq": "writes",
        "pointsWrittenOK": "points_written",
        "pointsWrittenDropped": "points_dropped",
        "reqActive": "active_requests",
        "authFail": "refused_logins",
    },
    "queryExecutor": {"queriesActive": "active_queries"},
    "runtime": {"HeapInUse": "memory_used"},
}
"""What is taken of what the server counts, by its modules, and how it is called here."""


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    statements = [f"SHOW STATS FOR '{module}'" for module in _COUNTERS]
    try:
        results = ask(address, credentials.admin_password, statements, ANSWER_SECONDS)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    counted: dict[str, int | float] = {}
    for names, result in zip(_COUNTERS.values(), results, strict=True):
        for row in rows(result):
            counted |= {ours: row[theirs] for theirs, ours in names.items() if theirs in row}
    return counted
