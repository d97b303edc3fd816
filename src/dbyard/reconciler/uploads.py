"""Dumps that no import will load any more: those of uploads and imports that a killed platform has left behind."""

from __future__ import annotations

import logging
from contextlib import suppress

from dbyard.archive import uploads
from dbyard.errors import ArchiveUnavailable
from dbyard.model import DAY
from dbyard.operations import Context
from dbyard.store import operations

log = logging.getLogger(__name__)


def sweep(context: Context, since: float) -> None:
    """Remove them. One that was begun after the Unix time `since`, that of this platform's start, may be under way."""
    with suppress(ArchiveUnavailable):  # then the next look finds them
        for database_id, upload_id, begun_at in uploads.list_all(context.archive):
            with context.store.read() as connection:
                asked = operations.find_by_param(connection, database_id, "upload_id", upload_id)
            is_under_way = asked is None and since <= begun_at and context.now() < begun_at + DAY
            if not is_under_way and not (asked and asked.active):
                uploads.remove(context.archive, database_id, upload_id)
                log.info("the upload %s of database %s is removed: no import will load it", upload_id, database_id)
