"""The restore of a moment on the wire."""

from __future__ import annotations

from dbyard.model import Operation
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.moments import RecoveryWindow
from dbyard.web.scalingo.encoding.apps import encode_finished_operation
from dbyard.wire import moments as wire


def encode(operation: Operation) -> wire.MomentAnswer:
    return wire.MomentAnswer(operation.id, encode_finished_operation(operation).operation)


def encode_window(found: RecoveryWindow) -> wire.RecoveryWindowAnswer:
    intervals = [wire.Interval(to_datetime(each.start), to_datetime(each.end)) for each in found.intervals]
    first, last = to_datetime_or_none(found.earliest), to_datetime_or_none(found.latest)
    return wire.RecoveryWindowAnswer(wire.RecoveryWindow(first, last, intervals, found.days, found.trouble))
