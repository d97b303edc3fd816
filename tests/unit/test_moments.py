"""Which moments can be restored, from what, and what is kept for that: the rules."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dbyard.archive.journals import Piece, runs
from dbyard.errors import Invalid
from dbyard.model import (
    DAY,
    Backup,
    BackupMethod,
    JournalSpan,
    Operation,
    OperationKind,
    OperationStatus,
    Verification,
    VerificationState,
)
from dbyard.reconciler.backups import is_base_due
from dbyard.reconciler.journal_retention import first_needed, is_whole
from dbyard.service.databases.moments import find_base, list_intervals, list_tenures, read_time
from dbyard.store.backups import Scheduled

SPAN = JournalSpan(1, "db", "one", "7000-1.a", 100, 1000, 10.0, 500.0)


def base(position: int, finished_at: float | None, span: JournalSpan = SPAN) -> Backup:
    names = (f"b{position}", "db", "db", "postgresql", "17", "17.12", "p", "lineage", "app", "app")
    made = Backup(*names, BackupMethod.PERIODIC, 0.0, 0.0, finished_at)
    return replace(made, instance_id=span.instance_id, journal=span.journal, position=position)


def switch(previous: str, to: str, at: float) -> Operation:
    """One that is done, and led the endpoint to `to` at that time."""
    fields = ("id", "db", OperationKind.SWITCH, "configure", OperationStatus.DONE, 1, 0.0, 0.0, None, None, None, at)
    result = {"previous": previous, "pointed_at": at}
    return Operation(*fields, finished_at=at + 1, params={"instance_id": to}, result=result)


FIRST, SECOND = base(100, 20.0), base(600, 300.0)
BASES = [SECOND, FIRST]
"""Newest first, as the store lists them."""


class TestIntervals:
    def test_begin_with_a_backup_and_end_where_the_journal_does(self) -> None:
        (found,) = list_intervals([(SPAN, 505.0)], BASES, 0.0)
        assert (found.start, found.end, found.reach) == (20.0, 505.0, 500.0)
        assert [found.start for found in list_intervals([(SPAN, 505.0)], BASES, 200.0)] == [200.0]

    @pytest.mark.parametrize(
        "other",
        [
            replace(FIRST, finished_at=None),
            replace(FIRST, verification=Verification(VerificationState.FAILED)),
            replace(FIRST, journal="7000-2.b"),
            replace(FIRST, instance_id="two"),
            replace(FIRST, position=99),
            replace(FIRST, position=1001),
            replace(FIRST, position=None),
            replace(FIRST, error="failed"),
        ],
    )
    def test_need_a_backup_that_the_journal_continues(self, other: Backup) -> None:
        assert list_intervals([(SPAN, 505.0)], [other], 0.0) == []

    def test_a_moment_is_reached_from_the_newest_backup_before_it(self) -> None:
        intervals = list_intervals([(SPAN, 505.0)], BASES, 0.0)
        assert find_base(intervals, 299.0) == (FIRST, 500.0)
        assert find_base(intervals, 300.0) == (SECOND, 500.0)
        assert find_base(intervals, 505.0) == (SECOND, 500.0)
        assert find_base(intervals, 19.0) is None
        assert find_base(intervals, 505.1) is None

    def test_after_a_restore_a_moment_is_one_of_the_data_that_were_there_then(self) -> None:
        """The first server was put back at 800 by an undo; of the other one there is nothing before its backup."""
        later = JournalSpan(2, "db", "two", "7000-2.b", 10, 90, 500.0, 790.0)
        own = base(10, 520.0, later)
        tenures = list_tenures([switch("one", "two", 500.0), switch("two", "one", 800.0)])
        spans = [(replace(SPAN, read_at=900.0), 900.0), (later, 790.0)]
        intervals = list_intervals(spans, [own, *BASES], 0.0, tenures)
        assert [(each.start, each.end) for each in intervals] == [(20.0, 500.0), (520.0, 790.0), (800.0, 900.0)]
        assert find_base(intervals, 450.0) == (SECOND, 900.0)
        assert find_base(intervals, 510.0) is None
        assert find_base(intervals, 600.0) == (own, 790.0)
        assert find_base(intervals, 795.0) is None
        assert find_base(intervals, 850.0) == (SECOND, 900.0)

    def test_of_a_server_that_was_lost_with_its_machine_are_all_that_there_were(self) -> None:
        later = JournalSpan(2, "db", "three", "7000-3.c", 10, 90, 600.0, 800.0)
        tenures = list_tenures([switch("two", "one", 15.0)])
        intervals = list_intervals([(SPAN, 500.0), (later, 800.0)], [base(10, 620.0, later), *BASES], 0.0, tenures)
        assert [(each.start, each.end) for each in intervals] == [(20.0, 500.0), (620.0, 800.0)]


class TestTenures:
    def test_follow_one_another(self) -> None:
        assert list_tenures([]) == []
        old = replace(switch("two", "one", 20.0), result={"previous": "two"}, finished_at=21.0)
        found = list_tenures([switch("one", "two", 10.0), old])
        times = [(each.instance_id, each.start, each.end) for each in found]
        assert times == [("one", -math.inf, 10.0), ("two", 10.0, 21.0), ("one", 21.0, math.inf)]


class TestTime:
    def test_has_an_offset(self) -> None:
        assert read_time("2026-11-28T14:03:00Z") == read_time("2026-11-28T15:03:00+01:00") == 1795874580.0
        assert read_time("2026-11-28 14:03:00.25+00:00") == 1795874580.25

    @pytest.mark.parametrize(
        "text", [None, 5, "", "yesterday", "2026-11-28T14:03:00", "2026-11-28", "0001-01-01T00:00:00Z"]
    )
    def test_is_refused_otherwise(self, text: object) -> None:
        with pytest.raises(Invalid, match="restore_time should be a time such as"):
            read_time(text)


class TestRetention:
    def test_keeps_what_the_oldest_moment_needs(self) -> None:
        assert first_needed(SPAN, BASES, 0.0) == 100
        assert first_needed(SPAN, BASES, 299.0) == 100
        assert first_needed(SPAN, BASES, 301.0) == 600
        assert first_needed(SPAN, [base(700, None), *BASES], 301.0) == 600
        assert first_needed(SPAN, [base(700, None)], 301.0) == 700  # it is on its way
        assert first_needed(SPAN, [], 0.0) is None

    def test_sees_a_gap(self) -> None:
        def whole(needed: int, *spans: tuple[int, int]) -> bool:
            return is_whole(runs([Piece("", start, end, 0.0) for start, end in spans]), needed, 1000)

        assert whole(100, (100, 500), (500, 1000))
        assert whole(100, (100, 500), (500, 900), (500, 700), (900, 1000))
        assert whole(600, (100, 400), (500, 900), (900, 1000))
        assert not whole(400, (100, 400), (500, 900), (900, 1000))
        assert not whole(100, (100, 500), (500, 900))
        assert not whole(100)
        assert whole(1000)

    def test_what_comes_before_a_gap_can_be_restored_as_before(self) -> None:
        before = replace(SPAN, position=500, read_at=200.0, ended_at=900.0)
        after = replace(SPAN, id=2, start=550)
        intervals = list_intervals([(before, 200.0), (after, 505.0)], BASES, 0.0)
        assert [(each.start, each.end) for each in intervals] == [(20.0, 200.0), (300.0, 505.0)]
        assert find_base(intervals, 100.0) == (FIRST, 200.0)
        assert find_base(intervals, 250.0) is None
        assert first_needed(before, BASES, 0.0) == 100
        assert first_needed(after, BASES, 0.0) == 600


class TestFirstBackup:
    def test_is_due_some_minutes_after_a_server_was_ready(self) -> None:
        new = Scheduled("db", "postgresql", "17", 0, 0.0, None, None, ready_at=1000.0, has_base=False)
        assert not is_base_due(new, 1000.0 + 299)
        assert is_base_due(new, 1000.0 + 601)
        assert not is_base_due(replace(new, has_base=True), DAY)
        assert not is_base_due(replace(new, base_tried_at=DAY - 800), DAY)
        assert is_base_due(replace(new, base_tried_at=DAY - 1000), DAY)
        assert is_base_due(replace(new, base_tried_at=DAY + 1000), DAY)  # by a clock that was wrong
