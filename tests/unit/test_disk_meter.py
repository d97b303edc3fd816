"""When the last figure of an instance's disk may be told again."""

from __future__ import annotations

from dbyard.model import MIB
from dbyard.runtimes.local.disk_meter import MOST_AGE, Measured, is_current

LAST = Measured(0.0, 100 * MIB, 1.0)


def test_while_there_was_no_processor_time_to_write_more() -> None:
    assert is_current(LAST, 1.007, 100.0, 32 * MIB)
    assert not is_current(LAST, 1.009, 100.0, 32 * MIB)


def test_longer_where_more_may_be_missing() -> None:
    assert is_current(LAST, 1.2, 10.0, 1024 * MIB)
    assert not is_current(LAST, 1.3, 10.0, 1024 * MIB)


def test_never_where_nothing_may_be_missing() -> None:
    assert not is_current(LAST, 1.0, 0.0, 0)


def test_never_where_the_time_is_not_told() -> None:
    assert not is_current(LAST, None, 1.0, 1024 * MIB)
    assert not is_current(Measured(0.0, 0, None), 1.0, 1.0, 1024 * MIB)


def test_never_after_a_group_began_to_count_anew() -> None:
    assert not is_current(LAST, 0.5, 1.0, 1024 * MIB)


def test_not_for_ever() -> None:
    assert not is_current(LAST, 1.0, MOST_AGE + 1, 1024 * MIB)
