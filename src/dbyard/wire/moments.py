"""What the Database API answers about the restore of a moment (point-in-time recovery)."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date
from dbyard.wire.apps import AppOperation


class RestoreMoment(Struct, frozen=True):
    """`restore_time` is a time with its offset, such as `2026-11-28T14:03:00Z`."""

    restore_time: str


class MomentAnswer(Struct, frozen=True):
    """The operation, both ways, because clients differ."""

    operation_id: str
    operation: AppOperation


class Interval(Struct, frozen=True):
    """Any moment of it can be restored."""

    earliest_recoverable_at: Date
    latest_recoverable_at: Date


class RecoveryWindow(Struct, frozen=True):
    """Null where nothing can be restored yet. Between the `intervals` is what is missing.

    `days` is how far back the plan lets it reach. `trouble` says why the newest writes are not in the archive.
    """

    earliest_recoverable_at: Date | None
    latest_recoverable_at: Date | None
    intervals: list[Interval]
    days: int
    trouble: str | None


class RecoveryWindowAnswer(Struct, frozen=True):
    recovery_window: RecoveryWindow
