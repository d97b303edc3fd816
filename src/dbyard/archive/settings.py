"""The archive of a platform as its settings name it, made ready when the platform starts."""

from __future__ import annotations

import logging
from pathlib import Path

from dbyard import secrets
from dbyard.archive import stores
from dbyard.archive.locations import Location
from dbyard.config import Config
from dbyard.errors import ArchiveUnavailable
from dbyard.store import Store, backups

log = logging.getLogger(__name__)

_KNOWN_COPY = "archive-copy"


def location_of(config: Config) -> Location:
    """With its copy, if there is one."""
    copy = Location(
        config.archive_copy_url,
        config.archive_copy_endpoint,
        config.archive_copy_region,
        config.archive_copy_access_key,
        config.archive_copy_secret_key,
    )
    return Location(
        config.archive_url,
        config.archive_endpoint,
        config.archive_region,
        config.archive_access_key,
        config.archive_secret_key,
        copy if copy.url else None,
    )


def prepare(home: Path, store: Store, archive: Location) -> None:
    """Make directories for what is used for the first time; one that is missing later on is not mounted."""
    with store.read() as reading:
        known = backups.list_databases(reading)
    if not known:
        _prepare(archive)
    if archive.copy is not None and _known_copy(home) != archive.copy.url and _prepare(archive.copy):
        secrets.write_secret(home / _KNOWN_COPY, archive.copy.url)


def _prepare(location: Location) -> bool:
    try:
        stores.prepare(location)
    except ArchiveUnavailable as error:
        log.error("there can be no backups in %s: %s", location.url, error)
        return False
    return True


def _known_copy(home: Path) -> str | None:
    path = home / _KNOWN_COPY
    return path.read_text(encoding="utf-8") if path.exists() else None
