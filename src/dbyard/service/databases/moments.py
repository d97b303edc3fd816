"""The data of any moment: which moments can be restored, and asking for one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dbyard import engines
from dbyard.engines import Journals
from dbyard.errors import Invalid
from dbyard.model import (
    DAY,
    Access,
    Backup,
    BackupStatus,
    Database,
    JournalSpan,
    Operation,
    OperationKind,
    Principal,
    VerificationState,
    retention_of,
)
from dbyard.model.times import to_datetime
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.backups import check_restorable, queue_restore
from dbyard.service.databases.create import create as create_database
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import Connection, backups, instances, journals, operations

_FIELD = "restore_time"


@dataclass(frozen=True, slots=True)
class Interval:
    """Any moment from `start` to `end` can be restored: from one of the `bases`, newest first, and what follows it.

    `reach` is the moment up to which the archive has pieces of the journal; nothing was written since.
    """

    start: float
    end: float
    reach: float
    bases: Sequence[Backup]


@dataclass(frozen=True, slots=True)
class Tenure:
    """From `start` to `end`, in Unix time, the instance was the database's primary."""

    instance_id: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class RecoveryWindow:
    """`earliest` and `latest` are the ends of the first and the last interval; None where nothing can be restored.

    `days` is how far back a plan lets it reach. `trouble` says why the newest writes are not in the archive yet.
    """

    intervals: Sequence[Interval]
    days: int
    trouble: str | None

    @property
    def earliest(self) -> float | None:
        return self.intervals[0].start if self.intervals else None

    @property
    def latest(self) -> float | None:
        return max((each.end for each in self.intervals), default=None)


def find_window(service: Service, principal: Principal, key: str) -> RecoveryWindow:
    """Raises Invalid for a technology of which only backups can be restored."""
    with service.store.snapshot() as reading:
        database = authorize_database(reading, principal, key)
        _check_journals(service, database)
        return _find_window(service, reading, database)


def find_earliest(service: Service, reading: Connection, database: Database) -> float | None:
    """The first moment that can be restored; None where there is none, or never will be one."""
    return _find_window(service, reading, database).earliest


def restore(service: Service, principal: Principal, key: str, at: object) -> Operation:
    """Put the data of a moment in the place of the database's; raises as `backups.restore`, Invalid for the moment."""
    database, base, params = _choose(service, principal, key, at)
    return queue_restore(service, principal, database.id, base.id, params)


def restore_into(service: Service, principal: Principal, key: str, at: object, name: object) -> Database:
    """A new database with the data of a moment, as `backups.restore_into` makes one."""
    database, base, params = _choose(service, principal, key, at)
    request = CreateRequest(name, database.technology, database.plan, None, database.version, database.settings)
    return create_database(service, principal, request, backup=base, moment=params)


def _choose(service: Service, principal: Principal, key: str, at: object) -> tuple[Database, Backup, dict[str, object]]:
    """The backup to begin at, and what an operation is told of the moment."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key, Access.CHANGE)
        _check_journals(service, database)
        instance = instances.get_primary(reading, database.id)
        window = _find_window(service, reading, database)
    moment = read_time(at)
    if instance is not None and (window.latest or 0.0) < moment <= service.clock():
        service.archive_journal(instance.id)  # it was a moment ago
        with service.store.read() as reading:
            window = _find_window(service, reading, database)
    found = find_base(window.intervals, moment)
    if found is None:
        raise Invalid({_FIELD: [_describe(window)]})
    base, reach = found
    check_restorable(database, base)
    return database, base, {"until": moment, "reach": reach}


def read_time(text: object) -> float:
    """A time with its offset, such as `2026-11-28T14:03:00Z`; raises Invalid."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not datetime(1970, 1, 2, tzinfo=UTC) < found:
        raise Invalid({_FIELD: ["should be a time such as 2026-11-28T14:03:00Z"]})
    return found.timestamp()


def _check_journals(service: Service, database: Database) -> None:
    known = service.catalogue.get(database.technology)
    if not isinstance(engines.find_backups(known, database.version), Journals):
        raise Invalid({"database": [f"cannot be restored to a moment: of {known.name} there are backups only"]})


def _find_window(service: Service, reading: Connection, database: Database) -> RecoveryWindow:
    days = retention_of(database.plan).journal_days
    primary = instances.get_primary(reading, database.id)
    seen = service.journal_read_at(primary.id) if primary else None
    spans, bases = journals.list_for(reading, database.id), backups.list_for(reading, database.id)
    found = []
    for span in spans:
        is_open = primary is not None and span.instance_id == primary.id and span.ended_at is None
        found.append((span, max(span.read_at, seen or 0.0) if is_open else span.read_at))
    switches = operations.list_done(reading, database.id, OperationKind.SWITCH)
    intervals = list_intervals(found, bases, service.clock() - days * DAY, list_tenures(switches))
    trouble = service.journal_trouble(primary.id) if primary else None
    return RecoveryWindow(intervals, days, trouble)


def _describe(window: RecoveryWindow) -> str:
    """Which moments there are."""
    if not window.intervals:
        return "cannot be restored: there is no backup yet that a journal continues"
    spans = [f"from {_text(each.start)} to {_text(each.end)}" for each in window.intervals]
    return f"is a moment that cannot be restored: those {', and '.join(spans)} can"


def _text(at: float) -> str:
    return to_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ---- the rules, all pure ----------------------------------------------------------------------------------------


def continues(span: JournalSpan, backup: Backup) -> bool:
    """Whether the journal goes on from the backup, which may still be on its way."""
    return (
        (backup.instance_id, backup.journal) == (span.instance_id, span.journal)
        and backup.position is not None
        and span.start <= backup.position
        and (span.ended_at is None or backup.position < span.position)
        and backup.status is not BackupStatus.ERROR
        and backup.verification.state is not VerificationState.FAILED
    )


def list_tenures(switches: Sequence[Operation]) -> list[Tenure]:
    """Which instance was the primary when, if that ever changed; `switches` are all that ended well, in order."""
    times = [float(str(each.result.get("pointed_at", each.finished_at))) for each in switches]
    primaries = [str(each.params["instance_id"]) for each in switches]
    first = [str(each.result["previous"]) for each in switches[:1]]
    starts, ends = [-math.inf, *times], [*times, math.inf]
    return [Tenure(*each) for each in zip([*first, *primaries], starts, ends, strict=False)]


def list_intervals(
    spans: Sequence[tuple[JournalSpan, float]],
    bases: Sequence[Backup],
    oldest: float,
    tenures: Sequence[Tenure] = (),
) -> list[Interval]:
    """Of which moments not before `oldest` there is all, in the order of time; each span goes on until a moment.

    While another instance was the primary, the data of a span's own were not those of the database.
    """
    found = []
    for span, end in spans:
        own = [each for each in bases if continues(span, each) and (each.finished_at or end) < end]
        own = [each for each in own if (each.position or 0) <= span.position]
        start = max(min((each.finished_at or end for each in own), default=end), oldest)
        times = [(each.start, each.end) for each in tenures if each.instance_id == span.instance_id]
        for first, last in times or [(start, end)]:
            if max(start, first) < min(end, last):
                found.append(Interval(max(start, first), min(end, last), span.read_at, own))
    return sorted(found, key=lambda each: each.start)


def find_base(intervals: Sequence[Interval], moment: float) -> tuple[Backup, float] | None:
    """The newest backup from which the moment can be reached, and the `reach` of its journal."""
    for each in reversed(intervals):
        if each.start <= moment <= each.end:
            base = next(base for base in each.bases if (base.finished_at or moment) <= moment)
            return base, each.reach
    return None
