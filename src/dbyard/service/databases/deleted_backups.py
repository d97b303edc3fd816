"""Backups of databases that are deleted: who could change one may bring it back, as a new database."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.errors import NotFound
from dbyard.model import Backup, Database, Principal
from dbyard.service import Service
from dbyard.service.databases.backups import check_whole
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import backups


def list_all(service: Service, principal: Principal) -> Sequence[Backup]:
    """Those that are done, newest first."""
    with service.store.read() as reading:
        return backups.list_of_deleted(reading, principal)


def restore(service: Service, principal: Principal, backup_id: str, name: object) -> Database:
    """A new database with the data of the backup, on the plan that its own had, in the caller's default project.

    Raises NotFound, Conflict for a backup that is damaged, and Invalid as a create does.
    """
    backup = next((each for each in list_all(service, principal) if each.id == backup_id), None)
    if backup is None:
        raise NotFound("Backup not found", resource="backup")
    check_whole(backup)
    request = CreateRequest(name, backup.technology, backup.plan, None, backup.version)
    return create(service, principal, request, backup=backup)
