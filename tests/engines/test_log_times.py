"""When a line of each technology's log was written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dbyard import engines

LINES = [
    ("postgresql", "2027-01-05 07:59:58.123 GMT [17] LOG:  database system is ready", 58, 123_000),
    ("mysql", "2027-01-05  7:59:02 0 [Note] mariadbd: ready for connections.", 2, 0),
    ("redis", "19:M 05 Jan 2027 07:59:59.500 * Ready to accept connections", 59, 500_000),
    ("mongodb", "2027-01-05 07:59:58,123 WARNING secantus: slow", 58, 123_000),
    ("mongodb", '{"t":{"$date":"2027-01-05T07:59:58.123+00:00"},"s":"I"}', 58, 123_000),
    ("elasticsearch", "[2027-01-05T07:59:58,250][INFO ][o.o.n.Node] started", 58, 250_000),
    ("influxdb", "ts=2027-01-05T07:59:58.654321Z lvl=info msg=x", 58, 654_321),
    ("influxdb", "ts=2027-01-05T07:59:58Z lvl=info msg=x", 58, 0),
]


@pytest.mark.parametrize(("technology", "line", "second", "microsecond"), LINES)
def test_is_read(technology: str, line: str, second: int, microsecond: int) -> None:
    written = datetime(2027, 1, 5, 7, 59, second, microsecond, tzinfo=UTC)
    assert engines.load(technology).log_time(line) == written


@pytest.mark.parametrize("technology", sorted({technology for technology, *_ in LINES}))
@pytest.mark.parametrize("line", ["", "\tat a line without a time", "2027-13-45 99:00:00.000 GMT is no time"])
def test_is_not_made_up(technology: str, line: str) -> None:
    assert engines.load(technology).log_time(line) is None
