"""MariaDB, by PyMySQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.tenants import mysql
from tests.tenants.mysql import Tenant

__all__ = ["DELAY", "ERRORS", "ESCAPES", "FULL", "LASTING", "REFUSED", "Tenant"]

ERRORS = mysql.ERRORS
REFUSED = mysql.REFUSED
FULL = mysql.FULL
LASTING = mysql.LASTING
DELAY = mysql.DELAY
_MORE: Mapping[str, Sequence[str]] = {
    "files": [
        "CREATE TABLE c (a INT) ENGINE=CONNECT TABLE_TYPE=DOS FILE_NAME='/etc/passwd'",
        "CREATE TABLE c (a INT) ENGINE=S3",
    ],
    "programs": ["INSTALL SONAME 'ha_archive'"],
    "other databases": ["SELECT * FROM mysql.global_priv", "CREATE TABLE c (a INT) ENGINE=SPIDER"],
    "settings": [],
    "snapshots": ["SHOW BINARY LOGS", "BACKUP STAGE START", "CHANGE MASTER TO MASTER_HOST='127.0.0.1'"],
    "users": ["SET PASSWORD FOR dbyard = PASSWORD('x')"],
}
ESCAPES = {reach: [*attempts, *_MORE[reach]] for reach, attempts in mysql.ESCAPES.items()}
