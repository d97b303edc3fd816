"""Base backups: all files of a server as one tar, with the log that makes them consistent and a manifest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from dbyard.engines.postgresql.names import ADMIN, ADMIN_DATABASE
from dbyard.engines.postgresql.session import Session, connect, identifier
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Count, Credentials, DataAccess, Layout, Tool

_COUNT_SECONDS = 5.0

# A slot of a session of its own keeps the log that the end of the tar needs; it goes with that session.
_BACKUP = """
read -r PGPASSWORD; export PGPASSWORD
mkfifo slot kept
psql -XAtq -d "$1 dbname=$2" < slot > kept & keeper=$!
exec 3> slot
echo "SELECT slot_name FROM pg_create_physical_replication_slot('dbyard_backup_$keeper', true, true);" >&3
read -r _ < kept || exit 1
pg_basebackup --pgdata - --format tar --wal-method fetch --checkpoint fast --dbname "$1"
code=$?
exec 3>&-
wait $keeper
exit $code
"""
_RESTORE = """
tar --extract --no-same-owner --directory "$1" || exit 1
pg_verifybackup --quiet --no-parse-wal "$1" || exit 1
rm "$1/backup_manifest"
"""
_CHECK = """
read -r PGPASSWORD; export PGPASSWORD
exec pg_amcheck --all --install-missing=pg_catalog --maintenance-db "$1"
"""
_DATABASES = "SELECT json_agg(datname) FROM pg_database WHERE datallowconn AND NOT datistemplate"
_TABLES = """SELECT json_agg(found) FROM (
    SELECT json_build_array(n.nspname, c.relname, coalesce(s.n_tup_ins + s.n_tup_upd + s.n_tup_del, 0)) AS found
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    ORDER BY c.relpages, c.oid LIMIT 1000) AS tables"""
"""The smallest first; of an unlogged table nothing is in a backup."""


def render_backup(layout: Layout, credentials: Credentials) -> Tool:
    argv = ("/bin/sh", "-c", _BACKUP, "backup", _server(layout), ADMIN_DATABASE)
    return Tool(argv, stdin=f"{credentials.admin_password}\n", connects=True)


def render_restore(layout: Layout) -> Tool:
    return Tool(("/bin/sh", "-c", _RESTORE, "restore", str(layout.data)), data=DataAccess.WRITE)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:
    argv = ("/bin/sh", "-c", _CHECK, "check", f"{_server(layout)} dbname={ADMIN_DATABASE}")
    return Tool(argv, stdin=f"{credentials.admin_password}\n", connects=True)


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The rows of tables, by `database.schema.table`; what cannot be counted in the time that there is is left out."""
    deadline = time.monotonic() + _COUNT_SECONDS
    found: dict[str, Count] = {}
    try:
        with connect(address, credentials.admin_password) as session:
            databases = _ask(session, _DATABASES)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    for database in databases:
        if database != ADMIN_DATABASE:
            found |= _count_database(address, credentials.admin_password, database, deadline)
    return found


def _count_database(address: Address, password: str, database: str, deadline: float) -> Mapping[str, Count]:
    found: dict[str, Count] = {}
    try:
        with connect(address, password, database=database, seconds=_COUNT_SECONDS) as session:
            for schema, name, changes in _ask(session, _TABLES):
                left = deadline - time.monotonic()
                if left < 0.1:
                    break
                rows = _count_rows(session, f"{identifier(schema)}.{identifier(name)}", left)
                if rows is not None:
                    found[f"{database}.{schema}.{name}"] = Count(rows, changes)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return found


def _count_rows(session: Session, table: str, seconds: float) -> int | None:
    """None where it takes too long, or where somebody locks the table."""
    try:
        (rows,) = session.execute(
            f"SET statement_timeout = {int(seconds * 1000)}; SELECT pg_catalog.count(*) FROM ONLY {table}"  # noqa: S608
        )
    except TemporaryError:
        return None
    return int(rows or 0)


def _ask(session: Session, query: str) -> Any:
    (found,) = session.execute(query)
    return json.loads(found) if found else []


def _server(layout: Layout) -> str:
    return f"host={layout.host} port={layout.port} user={ADMIN} sslmode=disable"
