"""InfluxDB 1.x, by plain HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

_BASE = 1_700_000_000_000_000_000
_SERIES, _BATCH = 1_000_000, 10_000


class InfluxError(Exception):
    """What the server says when it does not do what was asked."""


ERRORS: tuple[type[Exception], ...] = (InfluxError, httpx2.HTTPError)
REFUSED = r"not authorized|requires admin|authorization failed"
FULL = r"max-series-per-database limit exceeded"
LASTING = True
DELAY = 0.0
ESCAPES: Mapping[str, Sequence[str]] = {
    "files": [],  # nothing in its language names one
    "programs": [],
    "other databases": [
        "CREATE DATABASE other",
        "DROP DATABASE {database}",
        "SELECT * FROM other..written",
        "SELECT number INTO other..written FROM written",
        "SHOW MEASUREMENTS ON other",
    ],
    "settings": ["SHOW DIAGNOSTICS", "SHOW STATS", "KILL QUERY 1"],
    "snapshots": [
        "SHOW SHARDS",
        "CREATE SUBSCRIPTION s ON {database}.autogen DESTINATIONS ALL 'http://127.0.0.1:9'",
    ],
    "users": [
        "SHOW USERS",
        "CREATE USER eve WITH PASSWORD 'x' WITH ALL PRIVILEGES",
        "GRANT ALL PRIVILEGES TO {user}",
        "SET PASSWORD FOR dbyard = 'x'",
    ],
}


class Tenant:
    def __init__(self, url: str) -> None:
        self._url = httpx2.URL(url)
        self._http = httpx2.Client(
            base_url=f"http://{self._url.host}:{self._url.port}",
            auth=(self._url.username, self._url.password),
            params={"db": self._url.path.lstrip("/")},
            timeout=20,
        )
        try:
            self._query("SHOW DATABASES")
        except ERRORS:
            self.close()
            raise

    def write(self, number: int) -> None:
        self.write_many(range(number, number + 1))

    def write_many(self, numbers: range) -> None:
        self._write(f"written number={number}i {_BASE + number}" for number in numbers)

    def read(self) -> set[int]:
        (result,) = self._query("SELECT number FROM written")["results"]
        return {number for series in result.get("series", ()) for _, number in series["values"]}

    def attempt(self, escape: str) -> object:
        return self._query(escape.format(user=self._url.username, database=self._url.path.lstrip("/")))

    def bomb(self) -> None:
        for first in range(0, _SERIES, _BATCH):
            self._write(f"bomb,tag=t{number} v=1 {_BASE}" for number in range(first, first + _BATCH))

    def close(self) -> None:
        self._http.close()

    def _query(self, text: str) -> Any:
        answer = _check(self._http.post("/query", data={"q": text})).json()
        for error in (result["error"] for result in answer["results"] if "error" in result):
            raise InfluxError(error)
        return answer

    def _write(self, lines: Any) -> None:
        _check(self._http.post("/write", content="\n".join(lines)))


def _check(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_error:
        raise InfluxError(f"{answer.status_code}: {answer.text}")
    return answer
