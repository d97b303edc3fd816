"""Which steps make up which kind of operation."""

from __future__ import annotations

from dbyard.model import OperationKind
from dbyard.operations import (
    Kind,
    backup,
    configure,
    create,
    delete,
    heal,
    import_data,
    recover,
    renew_certificate,
    resize,
    restore,
    switch,
    upgrade,
    verify_backup,
)

KINDS: dict[str, Kind] = {
    OperationKind.CREATE: create.KIND,
    OperationKind.DELETE: delete.KIND,
    OperationKind.HEAL: heal.KIND,
    OperationKind.CONFIGURE: configure.KIND,
    OperationKind.RESIZE: resize.KIND,
    OperationKind.UPGRADE: upgrade.KIND,
    OperationKind.RENEW_CERTIFICATE: renew_certificate.KIND,
    OperationKind.BACKUP: backup.KIND,
    OperationKind.VERIFY_BACKUP: verify_backup.KIND,
    OperationKind.RESTORE: restore.KIND,
    OperationKind.SWITCH: switch.KIND,
    OperationKind.IMPORT: import_data.KIND,
    OperationKind.RECOVER: recover.KIND,
}
