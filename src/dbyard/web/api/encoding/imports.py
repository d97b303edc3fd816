"""Imports on the wire."""

from __future__ import annotations

from dbyard.model import ImportReport
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.imports import DatabaseImport, Place
from dbyard.web.api.encoding.operations import encode_progress
from dbyard.wire import imports as wire


def encode(found: DatabaseImport) -> wire.ImportAnswer:
    return wire.ImportAnswer(_import(found))


def encode_place(found: Place) -> wire.ImportsAnswer:
    content = None if found.content is None else dict(found.content)
    return wire.ImportsAnswer([_import(each) for each in found.imports], content, found.most)


def _import(found: DatabaseImport) -> wire.Import:
    operation, last = found.operation, found.last
    return wire.Import(
        id=operation.id,
        database_id=operation.database_id,
        status=last.status,
        step=last.step,
        replace=bool(operation.params["replace"]),
        check=bool(operation.params["check"]),
        size=int(str(operation.params["size"])),
        created_at=to_datetime(operation.created_at),
        finished_at=to_datetime_or_none(last.finished_at),
        error=last.error,
        progress=encode_progress(last.progress),
        report=_report(found.report) if found.report else None,
        counts=dict(found.counts),
    )


def _report(found: ImportReport) -> wire.ImportReport:
    return wire.ImportReport(
        form=found.form,
        size=found.size,
        source=found.source,
        program=found.program,
        databases=list(found.databases),
        owners=list(found.owners),
        extensions=dict(found.extensions),
        replaced=dict(found.replaced),
        left_out=dict(found.left_out),
        refused=list(found.refused),
    )
